/* audit.c - two sweeps over what a replay left: one through the moments at which pulls looked, one through those at which their
 * leases took their place in the journal.
 *
 * A sweep goes along the sequence numbers. It brings in the entries that were published by then, each queue being a heap, and
 * throws out those that were gone; what is left on top are the heads that the pull had before it. An entry that somebody had in
 * hand just then is taken out of the heap for as long as one lease is judged: there are as many of these as pulls at a time.
 */
#include "commit/audit.h"

#include "base/hash.h"
#include "commit/choice.h"
#include "model/limits.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
/* Moving ten million tickets to a shelf takes seconds. */
#define MOVES_MS (UINT64_C(60) * 1000)

/* A ticket's stay in its queues. */
struct entry {
    struct aw_ticket_id ticket;
    uint64_t            queued_seq; /* in a queue for every pull that looked when this was published */
    uint64_t            end_seq;    /* and for every one that had taken its ticket when this was not yet */
    uint64_t            taken_seq;  /* the same of the queue that it was leased out of; 0: it was not leased */
    uint64_t            gone_seq;   /* in none for whoever looked when this was published */
    aw_ms               queued_at;
    aw_ms               gone_at; /* record time; of one that was leased when it was chosen */
    aw_ms               key;     /* all three as the queues have them: whole ticks */
    aw_ms               age;
    aw_ms               reply_by;
    uint32_t            lane;
    uint32_t            other; /* entry + 1: the same ticket in another lane, its own or one that helps; 0: none */
    enum aw_class       class_;
    bool                closing;
    bool                is_void;  /* its lane helps no more: it may lie there yet, but nobody there may have it */
    bool                is_aside; /* in no queue: it waits aside, and its times are not rounded */
    uint8_t             taken_queue;
    uint8_t             shelf;
};

struct lease {
    uint64_t seq;
    uint64_t seen_seq;
    uint64_t taken_seq;
    aw_ms    at;        /* as the rule was given it, by the wall clock */
    aw_ms    chosen_at; /* record time */
    aw_ms    now;       /* record time of its batch */
    uint32_t held_us;
    uint32_t entry;
    uint32_t aside; /* the most urgent entry aside that it passed over; NONE */
    uint32_t lanes; /* blob; 0: all */
    uint32_t agent; /* blob */
    uint32_t order; /* blob */
    unsigned queue;
    uint16_t full;   /* shelves that it passed over */
    uint8_t  barred; /* and classes */
};

struct pause {
    uint64_t seq;
    uint32_t lane;
    bool     gives;
};

/* Tickets were in hand and went back without a record. */
struct refusals {
    uint64_t from_seq; /* a pull that looked when this was published had one of them at the earliest */
    uint64_t seq;      /* the lease that tells of it: when that was applied, all were back */
};

/* Something that grows. */
struct pile {
    void    *items; /* owns */
    uint32_t count;
    uint32_t room;
};

/* Bytes that occur again and again: lists of lanes, names of agents. Their number is the place of the first in `items`, + 1. */
struct blob {
    struct aw_slice bytes; /* owns */
    uint64_t        hash;
};
struct blobs {
    struct pile items;
    uint32_t   *table; /* owns: numbers by hash, 0: free; a power of two, at most half full */
    uint32_t    room;
};

struct heap {
    struct pile entries; /* indexes; the next one of the queue first */
};

struct aw_audit {
    enum aw_err  err;
    struct pile  entries; /* in the order of queued_seq */
    struct pile  leases;
    struct pile  pauses;
    struct pile  refusals;
    struct pile  by_slot; /* entry + 1, the first of the ticket's; 0: not in a queue */
    struct blobs blobs;
    uint64_t     unjudged;
    uint32_t     lanes;   /* one above the highest */
    uint32_t     shelves; /* the same */
    uint16_t     channels_shelved;
    aw_ms        moved_at; /* record time by when what waits has moved to its shelf */
    /* Batches of one time may be one group. */
    aw_ms    group_now;
    uint64_t group_seq; /* its first record */
    uint64_t group_seq_before;
    aw_ms    group_now_before;
    /* Judging. */
    struct heap *heaps;  /* owns: shelves x lanes x AW_LANES_QUEUES */
    uint8_t     *queues; /* owns: by shelf and lane, a bit for each heap that is not empty */
    bool        *gives;  /* owns: by lane */
    struct pile  aside;  /* struct place */
    struct pile  findings;
    struct pile  numbers; /* uint64_t */
};

struct place {
    uint32_t heap;
    uint32_t entry;
};

/* --- what grows ------------------------------------------------------------------------------------------------------------- */

/* Room for one more at the end; NULL after a failure. */
static void *
push(struct aw_audit *audit, struct pile *pile, size_t size)
{
    if (pile->count == pile->room) {
        uint32_t room = pile->room == 0 ? 64 : pile->room * 2;
        void    *items = pile->room > UINT32_MAX / 4 ? NULL : realloc(pile->items, room * size);

        if (items == NULL) {
            audit->err = AW_E_MEMORY;
            return NULL;
        }
        pile->items = items;
        pile->room = room;
    }
    return (char *)pile->items + pile->count++ * size;
}

static struct entry *
entry_at(const struct aw_audit *audit, uint32_t index)
{
    AW_ASSERT(index < audit->entries.count);
    return &((struct entry *)audit->entries.items)[index];
}

static struct lease *
lease_at(const struct aw_audit *audit, uint32_t index)
{
    return &((struct lease *)audit->leases.items)[index];
}

/* Its entry + 1; NULL when memory ran out. */
static uint32_t *
place_of_slot(struct aw_audit *audit, uint32_t slot)
{
    while (slot >= audit->by_slot.count) {
        uint32_t *place = push(audit, &audit->by_slot, sizeof(*place));

        if (place == NULL)
            return NULL;
        *place = 0;
    }
    return &((uint32_t *)audit->by_slot.items)[slot];
}

static const struct blob *
blob_at(const struct aw_audit *audit, uint32_t number)
{
    return &((const struct blob *)audit->blobs.items.items)[number - 1];
}

static uint32_t *
blob_place(const struct aw_audit *audit, uint64_t hash, struct aw_slice bytes)
{
    const struct blobs *blobs = &audit->blobs;
    uint32_t            at = (uint32_t)hash & (blobs->room - 1);

    for (;; at = (at + 1) & (blobs->room - 1)) {
        uint32_t number = blobs->table[at];

        if (number == 0 || (blob_at(audit, number)->hash == hash && aw_slice_eq(blob_at(audit, number)->bytes, bytes)))
            return &blobs->table[at];
    }
}

static bool
grow_table(struct aw_audit *audit)
{
    struct blobs *blobs = &audit->blobs;
    uint32_t      room = blobs->room == 0 ? 256 : blobs->room * 2;
    uint32_t     *table = calloc(room, sizeof(*table));

    if (table == NULL) {
        audit->err = AW_E_MEMORY;
        return false;
    }
    free(blobs->table);
    blobs->table = table;
    blobs->room = room;
    for (uint32_t number = 1; number <= blobs->items.count; number++)
        *blob_place(audit, blob_at(audit, number)->hash, blob_at(audit, number)->bytes) = number;
    return true;
}

/* The number of these bytes; 0 for none, and after a failure. */
static uint32_t
keep(struct aw_audit *audit, const void *ptr, size_t len)
{
    static const struct aw_hash_key key = {"aswolk audit 01"};
    struct aw_slice                 bytes = aw_slice_of(ptr, len);
    struct blob                    *blob;
    uint64_t                        hash;
    uint32_t                       *place;
    char                           *copy;

    if (len == 0)
        return 0;
    if (audit->blobs.items.count * 2 >= audit->blobs.room && !grow_table(audit))
        return 0;
    hash = aw_hash64(&key, ptr, len);
    place = blob_place(audit, hash, bytes);
    if (*place != 0)
        return *place;
    copy = malloc(len);
    blob = copy == NULL ? NULL : push(audit, &audit->blobs.items, sizeof(*blob));
    if (blob == NULL) {
        free(copy);
        audit->err = AW_E_MEMORY;
        return 0;
    }
    memcpy(copy, ptr, len);
    *blob = (struct blob){aw_slice_of(copy, len), hash};
    *place = audit->blobs.items.count;
    return *place;
}

enum aw_err
aw_audit_new(struct aw_audit **ret_audit)
{
    struct aw_audit *audit = calloc(1, sizeof(*audit));

    if (audit == NULL)
        return AW_E_MEMORY;
    audit->channels_shelved = 1;
    *ret_audit = audit;
    return AW_OK;
}

static void
free_heaps(struct aw_audit *audit)
{
    for (uint32_t i = 0; audit->heaps != NULL && i < audit->shelves * audit->lanes * AW_LANES_QUEUES; i++)
        free(audit->heaps[i].entries.items);
    free(audit->heaps);
    free(audit->queues);
    free(audit->gives);
    audit->heaps = NULL;
    audit->queues = NULL;
    audit->gives = NULL;
}

void
aw_audit_free(struct aw_audit **audit)
{
    struct aw_audit *a = *audit;

    if (a == NULL)
        return;
    free_heaps(a);
    for (uint32_t number = 1; number <= a->blobs.items.count; number++)
        free((void *)(uintptr_t)blob_at(a, number)->bytes.ptr);
    free(a->blobs.items.items);
    free(a->blobs.table);
    free(a->entries.items);
    free(a->leases.items);
    free(a->pauses.items);
    free(a->refusals.items);
    free(a->by_slot.items);
    free(a->aside.items);
    free(a->findings.items);
    free(a->numbers.items);
    free(a);
    *audit = NULL;
}

/* --- noting ----------------------------------------------------------------------------------------------------------------- */

static void
count_lane(struct aw_audit *audit, uint32_t lane)
{
    if (lane >= audit->lanes)
        audit->lanes = lane + 1;
}

/* Up to where a pull's own take shows that it was over before anybody had in hand what left its queue in this group, other than
 * by a lease: that was taken while the group before was flushed, at the earliest. */
static uint64_t
before_hands(const struct aw_audit *audit)
{
    return audit->group_seq_before == 0 ? 0 : audit->group_seq_before - 1;
}

static void
add_entry(struct aw_audit *audit, uint64_t seq, aw_ms now, const struct aw_ticket_view *ticket, uint32_t lane)
{
    uint32_t     *place = place_of_slot(audit, ticket->ticket.slot);
    struct entry *entry = place == NULL ? NULL : push(audit, &audit->entries, sizeof(*entry));

    if (entry == NULL)
        return;
    *entry = (struct entry){.ticket = ticket->ticket,
                            .queued_seq = seq,
                            .queued_at = now,
                            .key = ticket->key - ticket->key % AW_LANES_TICK_MS,
                            .age = ticket->age - ticket->age % AW_LANES_TICK_MS,
                            .reply_by = ticket->reply_by - ticket->reply_by % AW_LANES_TICK_MS,
                            .closing = ticket->closing,
                            .lane = lane,
                            .other = *place,
                            .class_ = ticket->class_,
                            .shelf = ticket->shelf};
    count_lane(audit, lane);
    if (ticket->is_aside) {
        entry->is_aside = true;
        entry->key = ticket->key;
        entry->age = ticket->age;
        entry->reply_by = ticket->reply_by;
    }
    if (ticket->shelf >= audit->shelves)
        audit->shelves = ticket->shelf + 1U;
    *place = audit->entries.count;
}

/* Its own lane, and those that help by now. */
static void
add_entries(struct aw_audit *audit, uint64_t seq, aw_ms now, const struct aw_ticket_view *ticket)
{
    add_entry(audit, seq, now, ticket, ticket->lane);
    for (uint32_t i = 0; i < ticket->help.count; i++)
        add_entry(audit, seq, now, ticket, ticket->help.by[i].lane);
}

/* Whoever looks from here on may not have it there. */
static void
end_entry(const struct aw_audit *audit, struct entry *entry, aw_ms gone_at)
{
    if (entry->is_void)
        return; /* that was so before */
    entry->end_seq = before_hands(audit);
    entry->gone_at = gone_at;
}

/* It leaves all its queues. The first of its entries; NONE when it is in no queue. */
static uint32_t
end_entries(struct aw_audit *audit, uint32_t slot, uint64_t gone_seq, aw_ms gone_at)
{
    uint32_t *place = place_of_slot(audit, slot);
    uint32_t  first;

    if (place == NULL || *place == 0)
        return NONE;
    first = *place - 1;
    *place = 0;
    for (uint32_t at = first + 1; at != 0; at = entry_at(audit, at - 1)->other) {
        struct entry *entry = entry_at(audit, at - 1);

        end_entry(audit, entry, gone_at);
        entry->gone_seq = gone_seq;
    }
    return first;
}

/* Of a ticket's entries the one in this lane. */
static uint32_t
entry_in(const struct aw_audit *audit, uint32_t first, uint32_t lane)
{
    for (uint32_t at = first == NONE ? 0 : first + 1; at != 0; at = entry_at(audit, at - 1)->other) {
        if (entry_at(audit, at - 1)->lane == lane && !entry_at(audit, at - 1)->is_void)
            return at - 1;
    }
    return NONE;
}

static struct aw_order_candidate
candidate_aside(const struct aw_ticket_view *ticket)
{
    return (struct aw_order_candidate){
        .class_ = ticket->class_, .age = ticket->age, .departs_at = ticket->departs_at, .reply_by = ticket->reply_by};
}

static bool
has_lane(const struct aw_lease_choice *choice, uint32_t lane)
{
    for (uint32_t i = 0; i < choice->lane_count; i++) {
        if (choice->lanes[i] == lane)
            return true;
    }
    return choice->lane_count == 0;
}

/* The most urgent ticket that waited aside when this pull looked, and still does, which its agent could have had, and which goes
 * before what was leased. The committer compares them when it applies the lease, so that all of it is certain. */
static uint32_t
find_aside_before(struct aw_audit *audit, const struct aw_command *command, const struct aw_state *state)
{
    const struct aw_lease_choice *choice = &command->in.lease.choice;
    uint32_t                      agent = aw_state_find_agent(state, command->in.lease.agent);
    uint32_t                      best = NONE;
    struct aw_order_candidate     first;
    struct aw_ticket_view         ticket;

    if (aw_state_aside_count(state) == 0 || !aw_state_ticket_at(state, command->in.lease.slot, &ticket))
        return NONE;
    first = candidate_aside(&ticket);
    for (uint32_t at = aw_state_next_aside(state, 0); at != 0; at = aw_state_next_aside(state, at)) {
        uint32_t                  slot = aw_state_aside_ticket(state, at);
        const uint32_t           *place = place_of_slot(audit, slot);
        struct aw_order_candidate candidate;

        if (place == NULL || *place == 0 || entry_at(audit, *place - 1)->queued_seq > choice->seen_seq ||
            !aw_state_ticket_at(state, slot, &ticket) || !aw_state_may_take(state, slot, agent) ||
            !has_lane(choice, ticket.lane) || !aw_state_lane_gives(state, ticket.lane) ||
            (choice->full >> ticket.shelf & 1) != 0 || (choice->barred >> ticket.class_ & 1) != 0)
            continue;
        candidate = candidate_aside(&ticket);
        if (aw_order_goes_before(&choice->order, choice->at, &candidate, &first)) {
            first = candidate;
            best = *place - 1;
        }
    }
    return best;
}

static void
note_refusals(struct aw_audit *audit, uint64_t from_seq, uint64_t seq)
{
    struct refusals *refusals = from_seq == 0 ? NULL : push(audit, &audit->refusals, sizeof(*refusals));

    if (refusals != NULL)
        *refusals = (struct refusals){from_seq, seq};
}

static void
note_lease(struct aw_audit *audit, const struct aw_batch_header *header, const struct aw_command *command,
           const struct aw_state *state, uint32_t lane)
{
    const struct aw_lease_choice *choice = &command->in.lease.choice;
    uint32_t                      held_ms = choice->held_us / 1000;
    aw_ms                         chosen_at = header->now > held_ms ? header->now - held_ms : 0;
    uint32_t                      first = end_entries(audit, command->in.lease.slot, command->out.seq, chosen_at);
    uint32_t                      index = choice->queue == AW_CHOICE_ASIDE ? first : entry_in(audit, first, lane);
    bool                          says = choice->at != 0 && index != NONE && chosen_at >= audit->moved_at &&
                entry_at(audit, index)->is_aside == (choice->queue == AW_CHOICE_ASIDE);
    struct lease *lease;

    note_refusals(audit, choice->refused_seq, command->out.seq);
    audit->unjudged += !says;
    if (!says)
        return;
    entry_at(audit, index)->taken_seq = choice->seen_seq;
    entry_at(audit, index)->taken_queue = choice->queue;
    lease = push(audit, &audit->leases, sizeof(*lease));
    if (lease == NULL)
        return;
    *lease = (struct lease){.seq = command->out.seq,
                            .seen_seq = choice->seen_seq,
                            .taken_seq = choice->taken_seq,
                            .at = choice->at,
                            .chosen_at = chosen_at,
                            .now = header->now,
                            .held_us = choice->held_us,
                            .entry = index,
                            .aside = find_aside_before(audit, command, state),
                            .lanes = keep(audit, choice->lanes, choice->lane_count * sizeof(choice->lanes[0])),
                            .agent = keep(audit, command->in.lease.agent.ptr, command->in.lease.agent.len),
                            .order = keep(audit, &choice->order, sizeof(choice->order)),
                            .queue = choice->queue,
                            .full = choice->full,
                            .barred = choice->barred};
}

/* Through which lane the ticket was given. */
static uint32_t
lane_of(const struct aw_command *command, const struct aw_state *state)
{
    struct aw_ticket_view ticket;

    if (command->in.lease.through != 0)
        return command->in.lease.through - 1;
    return aw_state_ticket_at(state, command->in.lease.slot, &ticket) ? ticket.lane : NONE;
}

/* As if it had come anew: its place is another one. */
static void
requeue_slot(struct aw_audit *audit, uint64_t seq, aw_ms now, aw_ms gone_at, uint32_t slot, const struct aw_state *state)
{
    struct aw_ticket_view ticket;

    if (end_entries(audit, slot, seq, gone_at) != NONE && aw_state_ticket_at(state, slot, &ticket))
        add_entries(audit, seq, now, &ticket);
}

/* Those of a ticket's entries that count no more stay where they are, until the ticket has a new place. */
static void
void_helpers(struct aw_audit *audit, const struct aw_ticket_view *ticket, uint32_t first, aw_ms gone_at,
             const struct aw_state *state)
{
    uint32_t *place = place_of_slot(audit, ticket->ticket.slot);

    for (uint32_t at = first + 1, next; place != NULL && at != 0; at = next) {
        struct entry *entry = entry_at(audit, at - 1);

        next = entry->other;
        if (!entry->is_void && aw_state_waits_in(state, ticket->ticket.slot, entry->lane))
            continue;
        end_entry(audit, entry, gone_at);
        entry->is_void = true;
        entry->gone_seq = 0;
        entry->other = *place;
        *place = at;
    }
}

/* A lane gives, or is helped, otherwise from here on; and what pulls had in hand of it is in its queue again, without a record. */
static void
requeue_lane(struct aw_audit *audit, uint64_t seq, aw_ms now, uint32_t lane, const struct aw_state *state)
{
    for (uint32_t slot = 0; slot < audit->by_slot.count; slot++) {
        uint32_t              place = ((const uint32_t *)audit->by_slot.items)[slot];
        struct aw_ticket_view ticket;

        if (place == 0 || entry_in(audit, place - 1, lane) == NONE || !aw_state_ticket_at(state, slot, &ticket))
            continue;
        place = end_entries(audit, slot, seq, now); /* its place will be another one */
        add_entries(audit, seq, now, &ticket);
        void_helpers(audit, &ticket, place, now, state);
    }
}

/* The same of all lanes, at a start: the queues are made anew. */
static void
requeue_all(struct aw_audit *audit, uint64_t seq, aw_ms now, aw_ms gone_at, const struct aw_state *state)
{
    for (uint32_t slot = 0; slot < audit->by_slot.count; slot++)
        requeue_slot(audit, seq, now, gone_at, slot, state);
}

/* Channels got queues of their own: what waits moves there. The committer does that by steps, of which there is no record: who
 * looks meanwhile finds it there, or where it was, behind the head of another queue. */
static void
note_shelves(struct aw_audit *audit, uint64_t seq, aw_ms now, const struct aw_state *state)
{
    if (audit->channels_shelved == aw_state_shelves(state))
        return;
    audit->channels_shelved = aw_state_shelves(state);
    for (uint32_t slot = 0; slot < audit->by_slot.count; slot++) {
        uint32_t              place = ((const uint32_t *)audit->by_slot.items)[slot];
        struct aw_ticket_view ticket;

        if (place == 0 || !aw_state_ticket_at(state, slot, &ticket) || ticket.shelf == entry_at(audit, place - 1)->shelf)
            continue;
        requeue_slot(audit, seq, now, now, slot, state);
        audit->moved_at = now + MOVES_MS;
    }
}

static void
note_pause(struct aw_audit *audit, uint64_t seq, uint32_t lane, enum aw_lane_pause pause)
{
    struct pause *change = push(audit, &audit->pauses, sizeof(*change));

    if (change == NULL)
        return;
    *change = (struct pause){.seq = seq, .lane = lane, .gives = pause != AW_LANE_PAUSED_OUT && pause != AW_LANE_PAUSED_BOTH};
    count_lane(audit, lane);
}

void
aw_audit_begin(struct aw_audit *audit, const struct aw_state *state)
{
    uint64_t seq = aw_state_seq(state);
    aw_ms    now = aw_state_now(state);

    audit->channels_shelved = aw_state_shelves(state);
    for (uint32_t lane = 0; lane < aw_state_lane_count(state); lane++) {
        struct aw_slice       values[4 * AW_LANE_MATCH_MAX];
        struct aw_lane_answer answer;

        aw_state_lane(state, lane, values, &answer);
        note_pause(audit, seq, lane, answer.pause);
    }
    for (uint32_t slot = 0; audit->err == AW_OK && slot < aw_state_ticket_slots(state); slot++) {
        struct aw_ticket_view ticket;

        if (aw_state_ticket_at(state, slot, &ticket) && ticket.state == AW_TICKET_WAITING)
            add_entries(audit, seq, now, &ticket);
    }
}

static void
note_event(struct aw_audit *audit, const struct aw_batch_header *header, const struct aw_command *command,
           const struct aw_state *state)
{
    const struct aw_event *event = &command->out.event;
    struct aw_ticket_view  ticket;

    switch (event->kind) {
    case AW_EVENT_NONE:
    case AW_EVENT_AGENT: /* each lease tells by which lanes it was chosen */
        return;
    case AW_EVENT_QUEUED:
    case AW_EVENT_ASIDE:
        (void)end_entries(audit, event->slot, command->out.seq, header->now); /* it may have been in none */
        if (aw_state_ticket_at(state, event->slot, &ticket))
            add_entry(audit, command->out.seq, header->now, &ticket, ticket.lane);
        return;
    case AW_EVENT_HELPED:
        for (uint32_t i = 0; i < event->other_count && aw_state_ticket_at(state, event->slot, &ticket); i++)
            add_entry(audit, command->out.seq, header->now, &ticket, event->others[i].lane);
        return;
    case AW_EVENT_BACK: /* the committer's own */
        return;
    case AW_EVENT_HIDDEN:
        (void)end_entries(audit, event->slot, command->out.seq, header->now); /* as above */
        return;
    case AW_EVENT_LANE:
        note_pause(audit, command->out.seq, event->lane, event->pause);
        requeue_lane(audit, command->out.seq, header->now, event->lane, state);
        return;
    }
    AW_UNREACHABLE();
}

void
aw_audit_note(struct aw_audit *audit, const struct aw_batch_header *header, const struct aw_command *command,
              const struct aw_state *state)
{
    if (audit->err != AW_OK)
        return;
    if (header->now != audit->group_now) {
        audit->group_now_before = audit->group_now;
        audit->group_now = header->now;
        audit->group_seq_before = audit->group_seq;
        audit->group_seq = header->first_seq;
    }
    if (command->kind == AW_COMMAND_LEASE) {
        note_lease(audit, header, command, state, lane_of(command, state));
        if (command->in.lease.choice.back_slot != 0)
            requeue_slot(audit, command->out.seq, header->now, header->now, command->in.lease.choice.back_slot, state);
    } else if (command->kind == AW_COMMAND_EPOCH)
        requeue_all(audit, command->out.seq, header->now, audit->group_now_before, state);
    else
        note_event(audit, header, command, state);
    note_shelves(audit, command->out.seq, header->now, state);
}

/* --- queues ----------------------------------------------------------------------------------------------------------------- */

/* Of a queue the smaller tick goes first, inside a tick who came first. */
static aw_ms
tick_of(const struct entry *entry, unsigned queue)
{
    if (queue == AW_LANES_BY_WINDOW)
        return entry->reply_by;
    return queue == AW_LANES_BY_AGE ? entry->age : entry->key;
}

static bool
is_next(const struct aw_audit *audit, unsigned queue, uint32_t a, uint32_t b)
{
    aw_ms tick_a = tick_of(entry_at(audit, a), queue);
    aw_ms tick_b = tick_of(entry_at(audit, b), queue);

    return tick_a != tick_b ? tick_a < tick_b : a < b;
}

static uint32_t
heap_number(const struct aw_audit *audit, uint32_t lane, uint32_t shelf, unsigned queue)
{
    return (shelf * audit->lanes + lane) * AW_LANES_QUEUES + queue;
}

static void
heap_push(struct aw_audit *audit, uint32_t number, uint32_t entry)
{
    struct pile *pile = &audit->heaps[number].entries;
    unsigned     queue = number % AW_LANES_QUEUES;
    uint32_t    *last = push(audit, pile, sizeof(*last));
    uint32_t    *heap = pile->items;
    uint32_t     at = pile->count - 1;

    if (last == NULL)
        return;
    for (; at > 0 && is_next(audit, queue, entry, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
    audit->queues[number / AW_LANES_QUEUES] |= (uint8_t)(1U << queue);
}

static void
heap_pop(struct aw_audit *audit, uint32_t number)
{
    struct pile *pile = &audit->heaps[number].entries;
    unsigned     queue = number % AW_LANES_QUEUES;
    uint32_t    *heap = pile->items;
    uint32_t     at = 0, last = heap[--pile->count];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < pile->count && is_next(audit, queue, heap[child + 1], heap[child]))
            child++;
        if (child >= pile->count || !is_next(audit, queue, heap[child], last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    if (pile->count == 0)
        audit->queues[number / AW_LANES_QUEUES] &= (uint8_t) ~(1U << queue);
}

static bool
lies_in(const struct entry *entry, unsigned queue)
{
    if (entry->is_aside)
        return false;
    if (queue == AW_LANES_BY_WINDOW)
        return entry->closing;
    return queue == AW_LANES_BY_AGE ? entry->class_ == AW_CLASS_IMMINENT : entry->class_ == queue;
}

static void
enqueue(struct aw_audit *audit, uint32_t index)
{
    const struct entry *entry = entry_at(audit, index);

    for (unsigned queue = 0; queue < AW_LANES_QUEUES; queue++) {
        if (lies_in(entry, queue))
            heap_push(audit, heap_number(audit, entry->lane, entry->shelf, queue), index);
    }
}

/* --- judging ---------------------------------------------------------------------------------------------------------------- */

/* The moment of a sweep: a pull that looked when `seen_seq` was published and was done when `taken_seq` was. */
struct moment {
    uint64_t seen_seq;
    uint64_t taken_seq;
    aw_ms    chosen_at;
    uint64_t doubt_ms; /* twice the longest that any pull held what it had chosen: one that was refused tells nothing */
    uint32_t next_entry;
    uint32_t next_pause;
};

/* Out of the queue that it was leased from it went when that pull looked. Otherwise, and out of another queue that it lay in,
 * a pull may have had it that was then refused. */
static bool
is_sure(const struct entry *entry, unsigned queue)
{
    return entry->taken_seq != 0 && entry->taken_queue == queue;
}

/* Whether nobody had it in hand. */
static bool
is_there(const struct entry *entry, unsigned queue, const struct moment *moment)
{
    if (is_sure(entry, queue))
        return entry->taken_seq > moment->taken_seq;
    return entry->end_seq > moment->taken_seq && entry->gone_at > moment->chosen_at + moment->doubt_ms;
}

/* What the rule is given for the head of a queue. Ids are left out: the order inside a tick is not judged. */
static struct aw_order_candidate
candidate_queued(const struct entry *entry, unsigned queue)
{
    const struct aw_head head = {
        .class_ = entry->class_, .queue = queue, .key = tick_of(entry, queue), .age = entry->age, .reply_by = entry->reply_by};

    return aw_choice_candidate(&head);
}

static struct aw_order_candidate
candidate_of(const struct entry *entry, unsigned queue)
{
    if (entry->is_aside)
        return (struct aw_order_candidate){
            .class_ = entry->class_, .age = entry->age, .departs_at = entry->key, .reply_by = entry->reply_by};
    return candidate_queued(entry, queue);
}

/* A lease that is judged: what it got, as the rule saw it. */
struct got {
    const struct lease       *lease;
    const struct entry       *own;
    struct aw_order_candidate candidate;
    struct aw_order_settings  order; /* by which it was chosen */
};

/* The same a tick later in all that counts. */
static struct aw_order_candidate
later(struct aw_order_candidate candidate)
{
    candidate.age += AW_LANES_TICK_MS;
    if (candidate.departs_at != 0 && candidate.departs_at != AW_MS_MAX)
        candidate.departs_at += AW_LANES_TICK_MS;
    if (candidate.reply_by != 0)
        candidate.reply_by += AW_LANES_TICK_MS;
    return candidate;
}

/* What was got waited aside. The pull compared its head, rounded to ticks, with the others, and the committer that one, not
 * rounded, with what was aside: so a tick or two between them say nothing. */
static bool
is_better_than_aside(const struct got *got, struct aw_order_candidate candidate)
{
    const struct aw_order_candidate late[2] = {candidate, later(later(candidate))};
    const struct aw_order_candidate own[2] = {got->candidate, later(got->candidate)};
    bool                            is_better = true;

    for (unsigned i = 0; i < 4; i++)
        is_better = is_better && aw_order_goes_before(&got->order, got->lease->at, &late[i / 2], &own[i % 2]);
    return is_better;
}

/* Whether the head `entry` of that queue goes before what was got. In its own queue the order of the queue says so. */
static bool
is_better(const struct got *got, const struct entry *entry, unsigned queue)
{
    struct aw_order_candidate candidate = candidate_of(entry, queue);

    if (got->own->is_aside)
        return is_better_than_aside(got, candidate);
    if (entry->lane == got->own->lane && entry->shelf == got->own->shelf && queue == got->lease->queue)
        return tick_of(entry, queue) < tick_of(got->own, queue);
    return aw_order_goes_before(&got->order, got->lease->at, &candidate, &got->candidate);
}

/* Only in the queue of those that close: the others of that class were passed over whole. */
static bool
is_barred(const struct got *got, const struct entry *entry)
{
    return (got->lease->barred >> entry->class_ & 1) != 0;
}

static void
set_aside(struct aw_audit *audit, uint32_t number)
{
    struct place  place = {number, ((const uint32_t *)audit->heaps[number].entries.items)[0]};
    struct place *aside = push(audit, &audit->aside, sizeof(*aside));

    heap_pop(audit, number);
    if (aside != NULL)
        *aside = place;
}

/* Whether all that may have been there in the tick of the head `first` go before what was got. What went back after a refusal
 * stands behind the others of its tick, and those whose channels close at other times are not as urgent. */
static bool
is_tick_better(struct aw_audit *audit, const struct moment *moment, const struct got *got, uint32_t number, uint32_t first)
{
    struct pile *pile = &audit->heaps[number].entries;
    unsigned     queue = number % AW_LANES_QUEUES;
    aw_ms        tick = tick_of(entry_at(audit, first), queue);

    for (; pile->count > 0; set_aside(audit, number)) {
        const struct entry *entry = entry_at(audit, ((const uint32_t *)pile->items)[0]);

        if (tick_of(entry, queue) != tick)
            return true;
        if (entry->gone_seq > moment->seen_seq && (is_barred(got, entry) || !is_better(got, entry, queue)))
            return false;
    }
    return true;
}

/* The first of a queue that surely was there. NONE when there is none, or when something that may have been there in front of it,
 * and was the head then, does not go before what was got: a queue shows its head alone. */
static uint32_t
head_of(struct aw_audit *audit, const struct moment *moment, const struct got *got, uint32_t number)
{
    struct pile *pile = &audit->heaps[number].entries;
    unsigned     queue = number % AW_LANES_QUEUES;

    while (pile->count > 0) {
        uint32_t            first = ((const uint32_t *)pile->items)[0];
        const struct entry *entry = entry_at(audit, first);

        if (entry->gone_seq <= moment->seen_seq) {
            heap_pop(audit, number);
            continue;
        }
        if (is_barred(got, entry) || !is_better(got, entry, queue))
            return NONE;
        if (is_there(entry, queue, moment))
            return is_tick_better(audit, moment, got, number, first) ? first : NONE;
        set_aside(audit, number);
    }
    return NONE;
}

/* Whether something that was being published while the pull looked may have been the head in front of this one. */
static bool
is_hidden(const struct aw_audit *audit, const struct moment *moment, const struct got *got, uint32_t head, unsigned queue)
{
    const struct entry *behind = entry_at(audit, head);
    aw_ms               last = AW_MS_MAX;

    for (uint32_t i = moment->next_entry; i < audit->entries.count; i++) {
        const struct entry *entry = entry_at(audit, i);

        if (entry->queued_at > last)
            break;
        if (entry->queued_seq > moment->taken_seq)
            last = entry->queued_at; /* batches of one time may be one group */
        if (entry->lane == behind->lane && entry->shelf == behind->shelf && lies_in(entry, queue) &&
            tick_of(entry, queue) <= tick_of(behind, queue) && (is_barred(got, entry) || !is_better(got, entry, queue)))
            return true;
    }
    return false;
}

static void
put_back(struct aw_audit *audit)
{
    const struct place *aside = audit->aside.items;

    for (uint32_t i = 0; i < audit->aside.count; i++)
        heap_push(audit, aside[i].heap, aside[i].entry);
    audit->aside.count = 0;
}

struct best {
    uint32_t                  entry;
    struct aw_order_candidate candidate;
};

static void
consider_shelf(struct aw_audit *audit, const struct moment *moment, const struct got *got, uint32_t lane, uint32_t shelf,
               struct best *best)
{
    unsigned queues = audit->queues[shelf * audit->lanes + lane] & ~aw_choice_barred_queues(got->lease->barred);

    for (; queues != 0; queues &= queues - 1) {
        unsigned                  queue = (unsigned)__builtin_ctz(queues);
        uint32_t                  head = head_of(audit, moment, got, heap_number(audit, lane, shelf, queue));
        struct aw_order_candidate candidate;

        if (head == NONE || is_hidden(audit, moment, got, head, queue))
            continue;
        candidate = candidate_of(entry_at(audit, head), queue);
        if (best->entry == NONE || aw_order_goes_before(&got->order, got->lease->at, &candidate, &best->candidate))
            *best = (struct best){head, candidate};
    }
}

static void
consider_lane(struct aw_audit *audit, const struct moment *moment, const struct got *got, uint32_t lane, struct best *best)
{
    if (lane >= audit->lanes || !audit->gives[lane])
        return;
    for (uint32_t shelf = 0; shelf < audit->shelves; shelf++) {
        if ((got->lease->full >> shelf & 1) == 0)
            consider_shelf(audit, moment, got, lane, shelf, best);
    }
}

/* The most urgent entry that goes before the one that was leased; NONE when none does. */
static uint32_t
find_before(struct aw_audit *audit, const struct moment *moment, const struct lease *lease)
{
    const struct entry *own = entry_at(audit, lease->entry);
    struct got          got = {lease, own, candidate_of(own, lease->queue), AW_ORDER_SETTINGS_DEFAULT};
    struct best         best = {.entry = NONE};

    if (lease->order != 0) /* 0: memory ran out */
        memcpy(&got.order, blob_at(audit, lease->order)->bytes.ptr, sizeof(got.order));
    if (lease->lanes == 0) {
        for (uint32_t lane = 0; lane < audit->lanes; lane++)
            consider_lane(audit, moment, &got, lane, &best);
    } else {
        struct aw_slice bytes = blob_at(audit, lease->lanes)->bytes;

        for (size_t at = 0; at < bytes.len; at += sizeof(uint32_t)) {
            uint32_t lane;

            memcpy(&lane, bytes.ptr + at, sizeof(lane));
            consider_lane(audit, moment, &got, lane, &best);
        }
    }
    put_back(audit);
    return best.entry;
}

static void
set_lanes(struct aw_audit *audit, struct moment *moment)
{
    const struct pause *pauses = audit->pauses.items;

    for (; moment->next_pause < audit->pauses.count && pauses[moment->next_pause].seq <= moment->seen_seq; moment->next_pause++)
        audit->gives[pauses[moment->next_pause].lane] = pauses[moment->next_pause].gives;
}

static void
move_on(struct aw_audit *audit, struct moment *moment, uint64_t seen_seq, uint64_t taken_seq, aw_ms chosen_at)
{
    moment->seen_seq = seen_seq;
    moment->taken_seq = taken_seq;
    moment->chosen_at = chosen_at;
    while (moment->next_entry < audit->entries.count && entry_at(audit, moment->next_entry)->queued_seq <= seen_seq)
        enqueue(audit, moment->next_entry++);
    set_lanes(audit, moment);
}

static enum aw_err
start_sweep(struct aw_audit *audit, uint64_t doubt_ms, struct moment *ret_moment)
{
    free_heaps(audit);
    audit->heaps = calloc((size_t)audit->shelves * audit->lanes * AW_LANES_QUEUES + 1, sizeof(*audit->heaps));
    audit->queues = calloc((size_t)audit->shelves * audit->lanes + 1, sizeof(*audit->queues));
    audit->gives = malloc((size_t)audit->lanes + 1);
    if (audit->heaps == NULL || audit->queues == NULL || audit->gives == NULL)
        return AW_E_MEMORY;
    memset(audit->gives, true, (size_t)audit->lanes + 1);
    *ret_moment = (struct moment){.doubt_ms = doubt_ms};
    return AW_OK;
}

static void
add_number(struct aw_audit *audit, uint64_t value)
{
    uint64_t *number = push(audit, &audit->numbers, sizeof(*number));

    if (number != NULL)
        *number = value;
}

static int
compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* Of the numbers added since the last call. */
static struct aw_audit_spread
take_spread(struct aw_audit *audit)
{
    const uint64_t        *numbers = audit->numbers.items;
    uint64_t               count = audit->numbers.count;
    struct aw_audit_spread spread = {.count = count};

    if (count == 0)
        return spread;
    qsort(audit->numbers.items, count, sizeof(*numbers), compare_numbers);
    spread.median = numbers[(count - 1) / 2];
    spread.p99 = numbers[(count - 1) * 99 / 100];
    spread.max = numbers[count - 1];
    audit->numbers.count = 0;
    return spread;
}

static int
compare_leases(const void *a, const void *b)
{
    const struct lease *left = a, *right = b;

    if (left->seen_seq != right->seen_seq)
        return left->seen_seq < right->seen_seq ? -1 : 1;
    return (left->seq > right->seq) - (left->seq < right->seq);
}

static void
add_finding(struct aw_audit *audit, const struct lease *lease, const struct entry *passed)
{
    struct aw_audit_finding *finding = push(audit, &audit->findings, sizeof(*finding));

    if (finding == NULL)
        return;
    *finding =
        (struct aw_audit_finding){.seq = lease->seq,
                                  .at = lease->now,
                                  .agent = lease->agent == 0 ? (struct aw_slice){"", 0} : blob_at(audit, lease->agent)->bytes,
                                  .taken = entry_at(audit, lease->entry)->ticket,
                                  .passed = passed->ticket,
                                  .held_us = lease->held_us,
                                  .passed_lane = passed->lane,
                                  .passed_class = passed->class_,
                                  .passed_ms = passed->gone_at > lease->chosen_at ? passed->gone_at - lease->chosen_at : 0};
    add_number(audit, finding->passed_ms);
}

static int
compare_findings(const void *a, const void *b)
{
    const struct aw_audit_finding *left = a, *right = b;

    if (left->passed_ms != right->passed_ms)
        return left->passed_ms > right->passed_ms ? -1 : 1;
    return (left->seq > right->seq) - (left->seq < right->seq);
}

/* In the order in which the pulls looked. */
static void
sweep_choices(struct aw_audit *audit, struct moment *moment)
{
    if (audit->leases.count > 0)
        qsort(audit->leases.items, audit->leases.count, sizeof(struct lease), compare_leases);
    for (uint32_t i = 0; i < audit->leases.count; i++) {
        const struct lease *lease = lease_at(audit, i);
        uint32_t            before;

        move_on(audit, moment, lease->seen_seq, lease->taken_seq, lease->chosen_at);
        before = lease->aside != NONE ? lease->aside : find_before(audit, moment, lease);
        if (before != NONE)
            add_finding(audit, lease, entry_at(audit, before));
    }
}

static int
compare_seqs(const void *a, const void *b)
{
    return compare_numbers(&((const struct lease *)a)->seq, &((const struct lease *)b)->seq);
}

/* In the order of the journal: what goes before a lease there, but was published only after its pull had looked. */
static void
sweep_commits(struct aw_audit *audit, struct moment *moment)
{
    if (audit->leases.count > 0)
        qsort(audit->leases.items, audit->leases.count, sizeof(struct lease), compare_seqs);
    for (uint32_t i = 0; i < audit->leases.count; i++) {
        const struct lease *lease = lease_at(audit, i);
        const struct entry *entry;
        uint32_t            before;

        move_on(audit, moment, lease->seq - 1, lease->seq - 1, lease->now);
        before = find_before(audit, moment, lease);
        if (before == NONE)
            continue;
        entry = entry_at(audit, before);
        if (entry->queued_seq > lease->seen_seq)
            add_number(audit, lease->now - entry->queued_at);
    }
}

/* The first that were told at `seq` or after; the count when there are none. */
static uint32_t
first_refusals(const struct aw_audit *audit, uint64_t seq)
{
    const struct refusals *refusals = audit->refusals.items;
    uint32_t               first = 0, end = audit->refusals.count;

    while (first < end) {
        uint32_t middle = first + (end - first) / 2;

        if (refusals[middle].seq < seq)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

/* Who had a ticket in hand, and was refused it, is not known: what was chosen meanwhile is not judged, but for what is aside, which
 * nobody has in hand. In the order of the journal, as refusals are. */
static void
leave_out_doubtful(struct aw_audit *audit)
{
    struct refusals *refusals = audit->refusals.items;
    uint32_t         kept = 0;

    for (uint32_t i = audit->refusals.count; i-- > 1;) { /* from here on, the earliest from_seq of all behind */
        if (refusals[i].from_seq < refusals[i - 1].from_seq)
            refusals[i - 1].from_seq = refusals[i].from_seq;
    }
    for (uint32_t i = 0; i < audit->leases.count; i++) {
        const struct lease *lease = lease_at(audit, i);
        uint32_t            next = first_refusals(audit, lease->seen_seq);

        if (lease->aside == NONE && next < audit->refusals.count && refusals[next].from_seq <= lease->taken_seq) {
            audit->unjudged++;
            continue;
        }
        *lease_at(audit, kept++) = *lease;
    }
    audit->leases.count = kept;
}

/* What still waits may be in hand. */
static void
end_all(struct aw_audit *audit)
{
    for (uint32_t slot = 0; slot < audit->by_slot.count; slot++)
        (void)end_entries(audit, slot, UINT64_MAX, audit->group_now); /* it may have been in none */
}

static void
take_findings(struct aw_audit *audit, struct aw_audit_result *result)
{
    struct aw_audit_finding *findings = audit->findings.items;
    uint32_t                 count = audit->findings.count;

    if (count > 0)
        qsort(findings, count, sizeof(*findings), compare_findings);
    for (uint32_t i = 0; i < count; i++)
        result->beyond += findings[i].passed_ms > (findings[i].held_us + 999) / 1000;
    result->findings = findings;
    result->finding_count = count < AW_AUDIT_FINDINGS_MAX ? count : AW_AUDIT_FINDINGS_MAX;
}

enum aw_err
aw_audit_judge(struct aw_audit *audit, struct aw_audit_result *ret_result)
{
    struct aw_audit_result result = {.leases = audit->leases.count + audit->unjudged};
    struct moment          moment;
    uint64_t               doubt_ms;

    leave_out_doubtful(audit);
    result.judged = audit->leases.count;
    end_all(audit);
    for (uint32_t i = 0; i < audit->leases.count; i++)
        add_number(audit, lease_at(audit, i)->held_us);
    result.held_us = take_spread(audit);
    doubt_ms = 2 * ((result.held_us.max + 999) / 1000);
    if (audit->err == AW_OK)
        audit->err = start_sweep(audit, doubt_ms, &moment);
    if (audit->err != AW_OK)
        return audit->err;
    sweep_choices(audit, &moment);
    result.passed_ms = take_spread(audit);
    take_findings(audit, &result);
    if (audit->err == AW_OK)
        audit->err = start_sweep(audit, doubt_ms, &moment);
    if (audit->err != AW_OK)
        return audit->err;
    sweep_commits(audit, &moment);
    result.late_ms = take_spread(audit);
    if (audit->err == AW_OK)
        *ret_result = result;
    return audit->err;
}
