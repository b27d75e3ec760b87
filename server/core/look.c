/* look.c - what the state tells about itself. Nothing here changes anything. */
#include "core/incident.h"

void
aw_ticket_fill_help(const struct aw_state *state, uint32_t slot, struct aw_ticket_help *ret_help)
{
    const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
    const struct aw_lane_row   *lane = aw_lane_at(state, ticket->lane);
    uint32_t                    through = ticket->state == AW_TICKET_LEASED ? aw_lease_at(state, ticket->link)->through : 0;

    *ret_help = (struct aw_ticket_help){.count = 0};
    if ((ticket->flags & AW_TICKET_ASIDE) != 0) {
        ret_help->kept_for = aw_state_kept_for(state, slot);
        ret_help->kept_until = aw_aside_kept_until(state, slot);
        ret_help->declined = aw_aside_declined(state, slot);
    }
    for (uint32_t i = 0; i < aw_ticket_helpers(state, ticket); i++) {
        ret_help->by[i].lane = lane->help_lanes[i];
        ret_help->by[i].after_s = aw_surge_help_after_s(state, ticket->lane, i);
        ret_help->count++;
    }
    /* Since the lease was given, the ticket may have been placed into another lane, or its lane's list may have changed. */
    for (uint32_t i = 0; through != 0 && through - 1 != ticket->lane && i < lane->help_count; i++) {
        if (lane->help_lanes[i] != through - 1)
            continue;
        ret_help->by[0].lane = through - 1;
        ret_help->by[0].after_s = aw_surge_help_after_s(state, ticket->lane, i);
        ret_help->count = 1;
    }
}

bool
aw_state_ticket_at(const struct aw_state *state, uint32_t slot, struct aw_ticket_view *ret_view)
{
    const struct aw_ticket_row *ticket;

    if (!aw_rows_has(&state->tickets, slot))
        return false;
    ticket = aw_ticket_at(state, slot);
    if (ticket->state == AW_TICKET_FREE)
        return false;
    *ret_view = (struct aw_ticket_view){
        .ticket = aw_ticket_id_at(state, slot),
        .state = (enum aw_ticket_state)ticket->state,
        .class_ = (enum aw_class)ticket->class_,
        .lane = ticket->lane,
        .lane_name = aw_lane_name(state, ticket->lane),
        .gentle = (ticket->flags & AW_TICKET_GENTLE) != 0,
        .class_by_person = (ticket->flags & AW_TICKET_CLASS_BY_PERSON) != 0,
        .version = ticket->version,
        .attempt = ticket->attempt,
        .messages_total = ticket->messages,
        .notes_total = ticket->notes,
        .last_seq = ticket->last_seq,
        .message_seq = ticket->message_seq,
        .opened_at = ticket->opened_at,
        .age = aw_ticket_age(ticket),
        .departs_at = ticket->departs_at,
        .reply_by = ticket->reply_by,
        .closed_at = ticket->state == AW_TICKET_CLOSED ? ticket->until : 0,
        .held_until = ticket->state == AW_TICKET_HELD ? ticket->until : 0,
        .queued_at = ticket->state == AW_TICKET_WAITING ? ticket->until : 0,
        .key = aw_ticket_key(ticket),
        .is_aside = (ticket->flags & AW_TICKET_ASIDE) != 0,
        .closing = aw_ticket_is_closing(ticket),
        .channel = (uint8_t)ticket->channel,
        .channel_name = aw_state_channel_name(state, ticket->channel),
        .shelf = (uint8_t)aw_ticket_shelf(state, ticket),
        .transfers = aw_ticket_transfers(ticket),
        .promise = aw_promise_of(ticket),
        .promise_breaking = aw_promise_is_breaking(ticket),
        .is_deferred = (ticket->marks & AW_MARK_DEFERRED) != 0,
        .commitment = aw_commitment_of(state, slot),
        .contact = aw_contact_of(state, slot),
    };
    for (uint32_t i = 0; i < ret_view->transfers; i++)
        ret_view->from_lanes[i] = ticket->from_lanes[i] - 1U;
    if (aw_incident_of(state, ticket) != 0)
        ret_view->incident = aw_incident_id_at(state, ticket->incident);
    if (ticket->state == AW_TICKET_LEASED) {
        const struct aw_lease_row *lease = aw_lease_at(state, ticket->link);
        const struct aw_agent_row *agent = aw_agent_at(state, lease->agent);

        ret_view->holder = aw_slice_of(agent->name, agent->name_len);
        ret_view->lease = (struct aw_lease_id){.fence = lease->fence, .slot = slot, .shard = (uint8_t)state->globals.shard};
        ret_view->withdrawn = aw_facts_withdrawn(state, slot); /* walks a list: not for all of a queue */
        ret_view->seen_seq = lease->seen_seq;
        ret_view->expires_at = lease->expires_at;
    }
    aw_ticket_fill_help(state, slot, &ret_view->help);
    return true;
}

enum aw_err
aw_state_ticket(const struct aw_state *state, struct aw_ticket_id id, struct aw_ticket_view *ret_view)
{
    struct aw_ticket_view view;

    if (id.shard != state->globals.shard || !aw_state_ticket_at(state, id.slot, &view) || view.ticket.seq != id.seq)
        return AW_E_NOT_FOUND;
    *ret_view = view;
    return AW_OK;
}

bool
aw_state_waits_in(const struct aw_state *state, uint32_t slot, uint32_t lane)
{
    return aw_rows_has(&state->tickets, slot) && aw_ticket_waits_in(state, aw_ticket_at(state, slot), lane);
}

uint32_t
aw_state_ticket_slots(const struct aw_state *state)
{
    return state->globals.heads[AW_TABLE_TICKETS].used + 1;
}

/* Running leases of an agent, oldest first; with a pull key only those that this pull got. */
static uint32_t
list_leases(const struct aw_state *state, struct aw_slice agent, const struct aw_pull_key *pull_key, uint64_t above_fence,
            struct aw_ticket_view *ret_views, uint32_t room)
{
    uint32_t agent_slot = aw_agent_find(state, agent);
    uint32_t count = 0;
    uint32_t slot = agent_slot == 0 ? 0 : aw_agent_at(state, agent_slot)->links.first;

    for (; slot != 0 && count < room; slot = aw_lease_at(state, slot)->links.next) {
        const struct aw_lease_row *lease = aw_lease_at(state, slot);

        if (lease->expires_at <= state->now || lease->fence <= above_fence ||
            (pull_key != NULL && lease->pull_key.key != pull_key->key))
            continue;
        if (aw_state_ticket_at(state, lease->ticket, &ret_views[count]))
            count++;
    }
    return count;
}

uint32_t
aw_state_leases_of(const struct aw_state *state, struct aw_slice agent, uint64_t above_fence, struct aw_ticket_view *ret_views,
                   uint32_t room)
{
    return list_leases(state, agent, NULL, above_fence, ret_views, room);
}

enum aw_err
aw_state_leases_of_pull(struct aw_state *state, struct aw_slice agent, const struct aw_pull_key *pull_key,
                        struct aw_ticket_view *ret_views, uint32_t room, uint32_t *ret_count)
{
    uint32_t count = list_leases(state, agent, pull_key, 0, ret_views, room);

    for (uint32_t i = 0; i < count; i++) {
        const struct aw_ticket_row *ticket = aw_ticket_at(state, ret_views[i].ticket.slot);

        if (aw_lease_at(state, ticket->link)->pull_key.request != pull_key->request)
            return AW_E_KEY_REUSED;
        ((struct aw_lease_links *)aw_rows_links(&state->leases, ticket->link))->is_told = true;
    }
    *ret_count = count;
    return AW_OK;
}

uint32_t
aw_state_agents_max(const struct aw_state *state)
{
    return aw_rows_slots_max(&state->agents) - 1;
}

static struct aw_day
day_of(const struct aw_day_row *row)
{
    return (struct aw_day){.day = row->day,
                           .taken = row->taken,
                           .completed = row->completed,
                           .replied = row->replied,
                           .returned = row->returned,
                           .deferred = row->deferred};
}

static size_t
bytes_of(const struct aw_state *state)
{
    size_t by_slot = (size_t)state->globals.heads[AW_TABLE_TICKETS].used * 2 * sizeof(uint32_t); /* timers, first facts */

    return aw_rows_bytes(&state->tickets) + aw_rows_bytes(&state->identities) + aw_rows_bytes(&state->leases) +
           aw_rows_bytes(&state->lanes) + aw_rows_bytes(&state->agents) + aw_rows_bytes(&state->once) +
           aw_rows_bytes(&state->agent_settings) + aw_rows_bytes(&state->facts) + aw_rows_bytes(&state->flights) +
           aw_rows_bytes(&state->airports) + aw_rows_bytes(&state->replies) + aw_rows_bytes(&state->accounts) +
           aw_rows_bytes(&state->channel_settings) + aw_rows_bytes(&state->incidents) + aw_rows_bytes(&state->incident_keys) +
           aw_rows_bytes(&state->forecast) + aw_rows_bytes(&state->texts) + aw_rows_bytes(&state->surge) +
           aw_rows_bytes(&state->commitments) + aw_rows_bytes(&state->contacts) + aw_index_bytes(&state->by_contact) +
           aw_index_bytes(&state->by_reply) + aw_index_bytes(&state->by_reply_ticket) + aw_index_bytes(&state->by_provider) +
           aw_index_bytes(&state->by_reply_to) + aw_index_bytes(&state->by_account) + aw_timers_bytes(&state->reply_timers) +
           aw_dedupe_bytes(&state->ids) + aw_index_bytes(&state->by_identity) + aw_index_bytes(&state->by_lane_name) +
           aw_index_bytes(&state->by_agent_name) + aw_index_bytes(&state->by_pull) + aw_index_bytes(&state->by_key) +
           aw_index_bytes(&state->by_flight) + aw_timers_bytes(&state->timers) + by_slot;
}

void
aw_state_counts(const struct aw_state *state, struct aw_state_counts *ret_counts)
{
    const struct aw_globals *globals = &state->globals;

    *ret_counts = (struct aw_state_counts){
        .messages = globals->messages,
        .opened = globals->opened,
        .folded = globals->folded,
        .reopened = globals->reopened,
        .closed = globals->closed,
        .closes_refused = globals->closes_refused,
        .completed = globals->completed,
        .cancelled = globals->cancelled,
        .expired = globals->expired,
        .released = globals->released,
        .declined = globals->declined,
        .transferred = globals->transferred,
        .deferred = globals->deferred,
        .commitments = globals->heads[AW_TABLE_COMMITMENTS].live,
        .commitments_overdue = state->commitments_overdue,
        .commitments_kept = globals->commitments_kept,
        .commitments_broken = globals->commitments_broken,
        .withdrawn = globals->withdrawn,
        .withdrawn_tickets = globals->withdrawn_tickets,
        .erased = globals->erased,
        .erased_tickets = globals->erased_tickets,
        .helped = state->helped,
        .leases = globals->heads[AW_TABLE_LEASES].live,
        .lanes = globals->heads[AW_TABLE_LANES].live,
        .agents = globals->heads[AW_TABLE_AGENTS].live,
        .ids = aw_dedupe_count(&state->ids),
        .identities = globals->heads[AW_TABLE_IDENTITIES].live,
        .keys = globals->heads[AW_TABLE_ONCE].live,
        .facts = globals->heads[AW_TABLE_FACTS].live,
        .flights = globals->heads[AW_TABLE_FLIGHTS].live,
        .asides = globals->heads[AW_TABLE_ASIDES].live,
        .channels = globals->heads[AW_TABLE_CHANNELS].live,
        .replied = globals->replied,
        .promises_moved = globals->promises_moved,
        .ticket_channels = globals->ticket_channels,
        .day = day_of(&globals->day),
        .owed_left_out = globals->owed_left_out,
        .not_needed = globals->not_needed,
        .own_texts = globals->heads[AW_TABLE_TEXTS].live,
        .contacts = globals->heads[AW_TABLE_CONTACTS].live,
        .opted_out = globals->opted_out,
        .first_contacts = globals->first_contacts,
        .tickets_used = globals->heads[AW_TABLE_TICKETS].live,
        .tickets_max = state->limits.tickets_max - 1,
        .ids_max = state->limits.ids_max,
        .bytes = bytes_of(state),
    };
    memcpy(ret_counts->tickets, state->by_state, sizeof(ret_counts->tickets));
    memcpy(ret_counts->promises_kept, globals->promises_kept, sizeof(ret_counts->promises_kept));
    memcpy(ret_counts->promises_broken, globals->promises_broken, sizeof(ret_counts->promises_broken));
    for (unsigned i = 0; i < AW_PRESENCE_COUNT; i++)
        ret_counts->by_presence[i] = state->by_presence[i];
    for (unsigned i = 0; i < AW_REPLY_STATES; i++)
        ret_counts->replies[i] = state->replies_in[i];
    for (unsigned i = 0; i < AW_REPLY_KINDS; i++)
        ret_counts->owed[i] = globals->owed[i];
}

uint64_t
aw_state_seq(const struct aw_state *state)
{
    return state->globals.seq;
}

uint64_t
aw_state_epoch(const struct aw_state *state)
{
    return state->globals.epoch;
}

aw_ms
aw_state_now(const struct aw_state *state)
{
    return state->globals.now;
}

const struct aw_core_settings *
aw_state_settings(const struct aw_state *state)
{
    return &state->globals.settings;
}

struct aw_hash128
aw_state_order_digest(const struct aw_state *state)
{
    struct aw_hash128 sum = {0};

    for (uint32_t slot = 1; slot <= state->globals.heads[AW_TABLE_TICKETS].used; slot++) {
        const struct aw_ticket_row *ticket = aw_ticket_at(state, slot);
        const uint64_t place[] = {ticket->opened_seq, ticket->state, ticket->lane, ticket->class_, aw_ticket_key(ticket)};

        if (aw_ticket_is_open(ticket))
            aw_digest_add(&sum, aw_row_hash(AW_TABLE_TICKETS, slot, place, sizeof(place)));
    }
    return sum;
}
