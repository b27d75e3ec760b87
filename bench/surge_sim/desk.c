/* desk.c - the clock, the agents, and the way of a ticket through the server's parts. */
#include "bench/surge_sim/desk.h"

#include "base/mem.h"
#include "base/qsbr.h"
#include "bench/surge_sim/agenda.h"
#include "bench/surge_sim/crowd.h"
#include "bench/surge_sim/promises.h"
#include "bench/surge_sim/supervisors.h"
#include "bench/surge_sim/watch.h"
#include "commit/choice.h"
#include "core/state.h"
#include "model/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LANE            0U /* `main`: one lane is enough to compare orders */
#define LANE_GROUNDED   1U /* of a policy that holds grounded departures: what the server knows of lanes is left alone */
#define TICKETS_MAX     (2U << 20)
#define LANES_BYTES_MAX (UINT64_C(1) << 30)
/* A lease outlives most tickets' handling; the others prolong it in time. */
#define LEASE_MS  (60 * SIM_MIN)
#define EXTEND_MS (50 * SIM_MIN)

/* How often somebody looks whether an incident is to be answered. */
#define SUPERVISION_MS SIM_MIN

enum happening { AGENT_DONE, AGENT_BACK, LEASE_ENDING, STAFF_CHANGES, AIRPORTS_CLOSE, LOOK, SUPERVISION, ANSWER_READY };

enum doing { IDLE, BUSY, PAUSING };
struct agent {
    enum doing         doing;
    struct aw_lease_id lease;
    uint32_t           slot;
    aw_ms              free_at;
};

/* A need that a ticket is to settle. */
struct link {
    uint32_t need;
    uint32_t next; /* link + 1; 0: none */
};

/* What the desk knows of a ticket, by slot. */
struct ticket {
    uint64_t                  seq;     /* of its id: another one means that the slot serves another ticket now */
    uint32_t                  links;   /* link + 1 */
    uint32_t                  version; /* the last one shown */
    uint32_t                  unread;  /* messages since an agent last looked */
    uint32_t                  turns;
    uint32_t                  cluster;
    enum aw_class             class_; /* the most urgent so far */
    bool                      waiting;
    aw_ms                     queued_at;
    aw_ms                     leased_at;
    struct aw_order_candidate last; /* as it was queued last */
};

/* Tickets of a cluster that may still wait. */
struct cluster {
    uint32_t *slots; /* owns */
    uint64_t *seqs;  /* owns */
    uint32_t  count;
    uint32_t  room;
};

struct desk {
    const struct sim_setup *setup;
    struct sim_crowd       *crowd;
    struct aw_state        *state;
    struct aw_lanes        *lanes;
    struct aw_qsbr          qsbr;
    struct sim_agenda       agenda;
    struct agent           *agents;
    uint32_t                agent_count;
    uint32_t                on_duty;
    uint32_t                busy;      /* also those whose duty is over */
    uint32_t                over_duty; /* busy, and their duty is over */
    uint32_t                idle;      /* on duty */
    struct ticket          *tickets;
    uint32_t               *slots; /* by need: the ticket of its first message */
    uint32_t                slot_room;
    struct link            *links;
    uint32_t                link_count;
    uint32_t                link_room;
    uint32_t                tickets_max;
    struct cluster         *clusters;
    uint32_t               *cluster_waiting; /* owns: tickets, by cluster from 1 */
    struct sim_supervisors *supervisors;     /* owns; NULL when nobody answers incidents */
    struct sim_watch       *watch;           /* owns; NULL when no airport closes */
    struct sim_promises    *promises;        /* owns; NULL when nobody is told anything */
    struct sim_tally        tally;
    uint64_t                turns; /* pulls */
    uint64_t                deliveries;
    uint64_t                index;
    uint32_t                waiting;
    aw_ms                   now;
    aw_ms                   end;
    enum aw_err             err;
};

/* --- needs and tickets ------------------------------------------------------------------------------------------------------ */

static bool
has_link(const struct desk *desk, const struct ticket *ticket, uint32_t need)
{
    for (uint32_t at = ticket->links; at != 0; at = desk->links[at - 1].next) {
        if (desk->links[at - 1].need == need)
            return true;
    }
    return false;
}

static void
link_need(struct desk *desk, struct ticket *ticket, uint32_t need)
{
    if (has_link(desk, ticket, need))
        return;
    if (desk->link_count == desk->link_room) {
        uint32_t     room = desk->link_room == 0 ? 4096 : desk->link_room * 2;
        struct link *links = realloc(desk->links, room * sizeof(*links));

        if (links == NULL) {
            desk->err = AW_E_MEMORY;
            return;
        }
        desk->links = links;
        desk->link_room = room;
    }
    desk->links[desk->link_count++] = (struct link){.need = need, .next = ticket->links};
    ticket->links = desk->link_count;
}

static void
mark(struct desk *desk, const struct ticket *ticket, bool is_done)
{
    for (uint32_t at = ticket->links; at != 0; at = desk->links[at - 1].next) {
        struct sim_need *need = sim_crowd_need(desk->crowd, desk->links[at - 1].need);

        if (need->answered_at == 0)
            need->answered_at = desk->now;
        if (is_done && need->done_at == 0)
            need->done_at = desk->now;
    }
}

/* What the ticket was opened for. */
static uint32_t
first_link(const struct desk *desk, const struct ticket *ticket)
{
    uint32_t at = ticket->links;

    AW_ASSERT(at != 0);
    while (desk->links[at - 1].next != 0)
        at = desk->links[at - 1].next;
    return desk->links[at - 1].need;
}

static const struct sim_need *
first_need(const struct desk *desk, const struct ticket *ticket)
{
    return sim_crowd_need(desk->crowd, first_link(desk, ticket));
}

/* --- the queues ------------------------------------------------------------------------------------------------------------- */

static void
set_waiting(struct desk *desk, struct ticket *ticket, bool waiting)
{
    if (ticket->waiting == waiting)
        return;
    ticket->waiting = waiting;
    if (waiting) {
        ticket->queued_at = desk->now;
        desk->waiting++;
        if (desk->waiting > desk->tally.waiting_most)
            desk->tally.waiting_most = desk->waiting;
        if (desk->watch != NULL)
            sim_watch_wait(desk->watch, (uint32_t)(ticket - desk->tickets), first_need(desk, ticket));
    } else {
        desk->tally.waited_ms += desk->now - ticket->queued_at;
        desk->waiting--;
        if (desk->watch != NULL)
            sim_watch_leave(desk->watch, (uint32_t)(ticket - desk->tickets));
    }
}

static void
show(struct desk *desk, const struct aw_event *event)
{
    enum sim_windows windows = desk->setup->policy->windows;

    aw_lanes_show_window(desk->lanes, event->slot, event->class_, windows == SIM_WINDOWS_NONE ? 0 : event->reply_by,
                         windows == SIM_WINDOWS_QUEUED && event->closing);
    aw_lanes_show(desk->lanes, event->slot, event->version, event->age);
}

static uint32_t
lane_of(const struct desk *desk, const struct ticket *ticket)
{
    aw_ms grounded_at = first_need(desk, ticket)->grounded_at;

    return desk->setup->policy->holds_grounded && grounded_at != 0 && grounded_at <= desk->now ? LANE_GROUNDED : LANE;
}

/* What a command did to the queues, as the committer would publish it. */
static void
publish(struct desk *desk, const struct aw_event *event)
{
    struct ticket     *ticket = &desk->tickets[event->slot];
    struct sim_waiting waiting = {.now = event->class_, .age = event->age, .key = event->key};
    struct sim_place   place;

    if (event->kind != AW_EVENT_QUEUED && event->kind != AW_EVENT_HIDDEN)
        return;
    ticket->version = event->version;
    show(desk, event);
    set_waiting(desk, ticket, event->kind == AW_EVENT_QUEUED);
    if (event->kind == AW_EVENT_HIDDEN)
        return;
    if (event->class_ < ticket->class_)
        ticket->class_ = event->class_;
    ticket->last = (struct aw_order_candidate){.class_ = event->class_, .age = event->age, .departs_at = event->key};
    waiting.class_ = ticket->class_;
    place = desk->setup->policy->place(&desk->setup->order, &waiting);
    AW_ASSERT(place.queue < AW_CLASS_COUNT);
    if (aw_lanes_push(desk->lanes, lane_of(desk, ticket), (enum aw_class)place.queue, place.key, event->slot, event->version) !=
        AW_OK)
        desk->err = AW_E_TABLE_FULL;
}

static enum aw_err
apply(struct desk *desk, struct aw_command *command)
{
    enum aw_err err;

    aw_state_begin(desk->state, desk->index++, desk->now);
    err = aw_state_apply(desk->state, command);
    if (command->kind != AW_COMMAND_MESSAGE) /* a message's ticket is made known first */
        publish(desk, &command->out.event);
    return err;
}

/* A policy of the simulator's own: it sees the head of each class's queue. False: it leaves what waits where it is. */
static bool
take_by_policy(struct desk *desk, struct aw_choice *ret_choice)
{
    struct aw_choice choices[AW_CHOICE_HEADS_MAX];
    struct sim_heads heads = {.count = 0};
    unsigned         count = aw_choice_look(desk->lanes, LANE, choices);
    unsigned         best;

    while (heads.count < count && choices[heads.count].head.queue < SIM_QUEUES) {
        heads.candidates[heads.count] = choices[heads.count].candidate;
        heads.count++;
    }
    AW_ASSERT(heads.count > 0);
    best = desk->setup->policy->choose(&desk->setup->order, desk->now, &heads, desk->turns);
    if (best == heads.count)
        return false;
    AW_ASSERT(best < heads.count);
    *ret_choice = choices[best];
    /* Nobody else takes, so what was the head still is. */
    if (!aw_lanes_try_take(desk->lanes, &choices[best].head))
        AW_UNREACHABLE();
    return true;
}

static bool
take(struct desk *desk, struct aw_head *ret_head)
{
    static const uint32_t    lane_list[] = {LANE, LANE_GROUNDED};
    struct aw_order_settings order = desk->setup->order;
    struct aw_choice_of      of = {.lanes = desk->lanes, .lane_list = lane_list, .lane_count = 1, .order = &order};
    struct aw_choice         choice;

    order.order = desk->setup->policy->order;
    if (desk->watch != NULL && desk->setup->policy->holds_grounded && !sim_watch_has_departure(desk->watch, desk->now))
        of.lane_count = 2;
    if (desk->setup->policy->choose != NULL) {
        if (!take_by_policy(desk, &choice))
            return false;
    } else if (!aw_choice_take(&of, desk->now, &choice)) {
        AW_UNREACHABLE(); /* something waits */
    }
    desk->turns++;
    *ret_head = choice.head;
    return true;
}

/* --- leases ----------------------------------------------------------------------------------------------------------------- */

static struct aw_slice
name_agent(uint32_t number, char text[16])
{
    int len = snprintf(text, 16, "agent-%u", number);

    return aw_slice_of(text, (size_t)len);
}

static void
note_pull(struct desk *desk, const struct aw_out_lease *lease)
{
    struct aw_order_candidate candidate = {
        .class_ = lease->class_, .age = lease->age, .departs_at = lease->departs_at, .id = lease->ticket.slot};
    uint64_t bucket = (desk->now - SIM_START) / SIM_BUCKET_MS;

    if (lease->class_ == AW_CLASS_CARE) {
        desk->tally.care_count[bucket]++;
        return;
    }
    desk->tally.kappa_sum[bucket] += aw_order_kappa(&desk->setup->order, desk->now, &candidate) / 1000.0;
    desk->tally.kappa_count[bucket]++;
}

/* False: refused, nothing changed. */
static bool
lease(struct desk *desk, uint32_t agent, uint32_t slot, uint32_t version, struct aw_lease_id *ret_lease)
{
    char              name[16];
    struct aw_command command = {
        .kind = AW_COMMAND_LEASE,
        .in.lease = {.slot = slot, .version = version, .agent = name_agent(agent, name), .lease_ms = LEASE_MS}};

    if (apply(desk, &command) != AW_OK)
        return false;
    desk->tally.leases++;
    note_pull(desk, &command.out.u.lease);
    if (desk->watch != NULL)
        sim_watch_lease(desk->watch, desk->now, first_need(desk, &desk->tickets[slot]), command.out.u.lease.class_);
    if (desk->promises != NULL)
        sim_promises_take(desk->promises, desk->now, first_link(desk, &desk->tickets[slot]),
                          first_need(desk, &desk->tickets[slot]));
    desk->tickets[slot].leased_at = desk->now;
    *ret_lease = command.out.u.lease.lease;
    return true;
}

static struct aw_command
fenced(enum aw_command_kind kind, const struct agent *agent, struct aw_slice name)
{
    return (struct aw_command){.kind = kind,
                               .in.fenced = {.lease = agent->lease,
                                             .agent = name,
                                             .op_hash = agent->lease.fence * 2 + (kind == AW_COMMAND_COMPLETE),
                                             .lease_ms = LEASE_MS}};
}

/* How long this ticket takes: each need without an answer its time, or one more turn when all have one; and reading. */
static aw_ms
handling_of(struct desk *desk, struct ticket *ticket)
{
    const struct sim_scenario *scenario = desk->setup->scenario;
    double                     minutes = 0;
    uint32_t                   first = ticket->links;

    AW_ASSERT(first != 0);
    for (uint32_t at = first; at != 0; at = desk->links[at - 1].next) {
        if (sim_crowd_need(desk->crowd, desk->links[at - 1].need)->answered_at == 0)
            minutes += sim_crowd_handling_min(desk->crowd, desk->links[at - 1].need, 0);
    }
    ticket->turns++;
    if (minutes == 0)
        minutes = sim_crowd_handling_min(desk->crowd, desk->links[first - 1].need, ticket->turns);
    if (desk->setup->policy->answers_clusters && ticket->cluster != 0 && desk->clusters[ticket->cluster - 1].count > 1)
        minutes += scenario->cluster_min;
    minutes += scenario->read_min * (ticket->unread > 1 ? ticket->unread - 1 : 0);
    ticket->unread = 0;
    return (aw_ms)(minutes * (double)SIM_MIN) + 1;
}

static void
note(struct desk *desk, aw_ms at, enum happening what, uint32_t who)
{
    if (at < desk->end && !sim_agenda_note(&desk->agenda, at, what, who))
        desk->err = AW_E_MEMORY;
}

/* False: the committer's word was no, as it is for an entry of a ticket whose slot serves another one by now; look again. */
static bool
start_work(struct desk *desk, uint32_t number, const struct aw_head *head)
{
    struct agent  *agent = &desk->agents[number];
    struct ticket *ticket = &desk->tickets[head->slot];

    if (!lease(desk, number, head->slot, head->version, &agent->lease)) {
        desk->tally.refused++;
        return false;
    }
    agent->doing = BUSY;
    agent->slot = head->slot;
    agent->free_at = desk->now + handling_of(desk, ticket);
    mark(desk, ticket, false);
    desk->tally.work++;
    desk->busy++;
    desk->idle--;
    note(desk, agent->free_at, AGENT_DONE, number);
    if (agent->free_at > desk->now + EXTEND_MS)
        note(desk, desk->now + EXTEND_MS, LEASE_ENDING, number);
    return true;
}

static void
pull(struct desk *desk)
{
    struct aw_head head;

    for (uint32_t i = 0; i < desk->on_duty && desk->idle > 0 && desk->waiting > 0; i++) {
        if (desk->agents[i].doing != IDLE)
            continue;
        do {
            if (!take(desk, &head))
                return;
        } while (!start_work(desk, i, &head));
    }
}

/* --- a cluster's answer ----------------------------------------------------------------------------------------------------- */

static void
join_cluster(struct desk *desk, uint32_t slot)
{
    struct ticket  *ticket = &desk->tickets[slot];
    struct cluster *cluster = &desk->clusters[ticket->cluster - 1];

    if (cluster->count == cluster->room) {
        uint32_t  room = cluster->room == 0 ? 64 : cluster->room * 2;
        uint32_t *slots = realloc(cluster->slots, room * sizeof(*slots));
        uint64_t *seqs;

        if (slots != NULL)
            cluster->slots = slots;
        seqs = realloc(cluster->seqs, room * sizeof(*seqs));
        if (seqs != NULL)
            cluster->seqs = seqs;
        if (slots == NULL || seqs == NULL) {
            desk->err = AW_E_MEMORY;
            return;
        }
        cluster->room = room;
    }
    cluster->slots[cluster->count] = slot;
    cluster->seqs[cluster->count++] = ticket->seq;
}

/* Everybody of this cluster who waits gets the same answer: leased and completed at once. */
static void
answer_cluster(struct desk *desk, uint32_t number, uint32_t cluster_number)
{
    struct cluster *cluster = &desk->clusters[cluster_number - 1];
    char            name[16];

    for (uint32_t i = 0; i < cluster->count; i++) {
        struct ticket    *ticket = &desk->tickets[cluster->slots[i]];
        struct agent      holder;
        struct aw_command complete;

        if (ticket->seq != cluster->seqs[i] || !ticket->waiting)
            continue;
        if (!lease(desk, number, cluster->slots[i], ticket->version, &holder.lease))
            AW_UNREACHABLE(); /* it waits, in this version */
        complete = fenced(AW_COMMAND_COMPLETE, &holder, name_agent(number, name));
        if (apply(desk, &complete) != AW_OK)
            AW_UNREACHABLE();
        mark(desk, ticket, true);
        desk->tally.bulk_answered++;
    }
    cluster->count = 0;
}

/* --- incidents -------------------------------------------------------------------------------------------------------------- */

static struct aw_hash128
number_hash(uint64_t space, uint64_t number)
{
    /* The high word keeps them apart, the low one spreads them. */
    return (struct aw_hash128){.low = (number + space) * UINT64_C(0x9E3779B97F4A7C15) ^ number >> 7,
                               .high = space << 56 | number};
}

/* A flight of a cluster: cancelled for all of them, so without a departure. `text`: lent to it. */
static struct aw_flight_fact
cluster_flight(uint32_t cluster, char text[AW_FLIGHT_NUMBER_BYTES_MAX])
{
    int len = snprintf(text, AW_FLIGHT_NUMBER_BYTES_MAX, "SI%u", cluster);

    return (struct aw_flight_fact){.flight_hash = number_hash(7, cluster).low | 1,
                                   .number = aw_slice_of(text, (size_t)len),
                                   .date_days = (uint32_t)(SIM_START / (24 * SIM_HOUR))};
}

/* The server proposes one: a record of its own. */
static void
note_proposal(struct desk *desk, const struct aw_command *command)
{
    const struct aw_in_incident *in = &command->in.incident;

    if (desk->supervisors == NULL || command->out.err != AW_OK || in->state != AW_INCIDENT_PROPOSED)
        return;
    AW_ASSERT(in->key_count == 1);
    for (uint32_t cluster = 1; cluster <= desk->setup->scenario->clusters; cluster++) {
        char text[AW_FLIGHT_NUMBER_BYTES_MAX];

        if (cluster_flight(cluster, text).flight_hash == in->keys[0].hash)
            sim_supervisors_name(desk->supervisors, cluster, command->out.u.incident.incident);
    }
}

/* A ticket that got the answer of its incident: a record of its own. */
static void
note_answered(struct desk *desk, const struct aw_command *command)
{
    if (!command->out.changed || command->in.incident_timer.ticket.slot == 0)
        return;
    mark(desk, &desk->tickets[command->in.incident_timer.ticket.slot], true);
    desk->tally.bulk_answered++;
}

static bool
is_listed(const struct desk *desk, const struct cluster *cluster, uint32_t at)
{
    const struct ticket *ticket = &desk->tickets[cluster->slots[at]];

    return ticket->seq == cluster->seqs[at] && ticket->waiting;
}

/* Tickets of each cluster that wait and came since its last answer. */
static void
count_clusters(struct desk *desk)
{
    for (uint32_t number = 1; number <= desk->setup->scenario->clusters; number++) {
        const struct cluster *cluster = &desk->clusters[number - 1];

        desk->cluster_waiting[number] = 0;
        for (uint32_t i = 0; i < cluster->count; i++)
            desk->cluster_waiting[number] += is_listed(desk, cluster, i);
    }
}

/* One approval, of what is there at this moment: who gets the answer and who is held out is the server's to say. */
static void
answer_incident(struct desk *desk, uint32_t who)
{
    static const struct aw_own_text words = {.lang = AW_SLICE("en"), .words = AW_SLICE("Flight {flight} does not go.")};
    struct sim_answering            answering = sim_supervisors_end(desk->supervisors, who);
    struct cluster                 *cluster = &desk->clusters[answering.cluster - 1];
    struct aw_incident_try          shown = {.incident = answering.incident};
    struct aw_command               approve = {.kind = AW_COMMAND_INCIDENT_ANSWER,
                                               .in.incident_answer = {.incident = answering.incident,
                                                                      .texts = &words,
                                                                      .text_count = 1,
                                                                      .needs = AW_NEEDS_FLIGHT,
                                                                      .by = AW_SLICE("supervisor")}};

    if (aw_incident_try_begin(desk->state, &shown) != AW_OK)
        AW_UNREACHABLE();
    approve.in.incident_answer.through = shown.through;
    approve.in.incident_answer.facts = shown.facts;
    if (apply(desk, &approve) != AW_OK)
        AW_UNREACHABLE();
    for (uint32_t i = 0; i < cluster->count; i++)
        desk->tally.held_out += is_listed(desk, cluster, i) && first_need(desk, &desk->tickets[cluster->slots[i]])->is_odd;
    cluster->count = 0;
    desk->tally.answers++;
}

/* As the server proposed it, or a new one. */
static void
open_incident(struct desk *desk, const struct sim_answering *answering)
{
    char                   text[AW_FLIGHT_NUMBER_BYTES_MAX];
    struct aw_flight_fact  flight = cluster_flight(answering->cluster, text);
    struct aw_incident_key key = {
        .kind = AW_INCIDENT_FLIGHT, .hash = flight.flight_hash, .name = flight.number, .date_days = flight.date_days};
    struct aw_command open = {
        .kind = AW_COMMAND_INCIDENT,
        .in.incident = {.incident = answering->incident, .state = AW_INCIDENT_OPEN, .by = AW_SLICE("supervisor")}};

    if (answering->incident.seq == 0) {
        open.in.incident.title = flight.number;
        open.in.incident.has_keys = true;
        open.in.incident.keys = &key;
        open.in.incident.key_count = 1;
        open.in.incident.follow = AW_FOLLOW_LATER;
    }
    if (apply(desk, &open) != AW_OK)
        AW_UNREACHABLE();
    sim_supervisors_name(desk->supervisors, answering->cluster, open.out.u.incident.incident);
}

static void
supervise(struct desk *desk)
{
    struct sim_answering answering;
    uint32_t             who;

    count_clusters(desk);
    while (sim_supervisors_begin(desk->supervisors, desk->cluster_waiting, desk->now, &who, &answering)) {
        if (answering.is_first)
            open_incident(desk, &answering);
        note(desk, answering.ready_at, ANSWER_READY, who);
    }
    note(desk, desk->now + SUPERVISION_MS, SUPERVISION, 0);
}

/* --- agents ----------------------------------------------------------------------------------------------------------------- */

static void
rest(struct desk *desk, uint32_t number)
{
    struct agent *agent = &desk->agents[number];

    agent->doing = IDLE;
    desk->busy--;
    if (number < desk->on_duty)
        desk->idle++;
    else
        desk->over_duty--;
}

static void
finish_work(struct desk *desk, uint32_t number)
{
    struct agent     *agent = &desk->agents[number];
    struct ticket    *ticket = &desk->tickets[agent->slot];
    aw_ms             pause_ms = (aw_ms)(desk->setup->scenario->wrap_up_min * (double)SIM_MIN);
    char              name[16];
    struct aw_command complete = fenced(AW_COMMAND_COMPLETE, agent, name_agent(number, name));
    enum aw_err       err = apply(desk, &complete);

    if (err == AW_E_NEW_MESSAGES) {
        /* Read what came meanwhile, and answer that as well. */
        double minutes = desk->setup->scenario->read_min * ticket->unread;

        ticket->unread = 0;
        agent->free_at = desk->now + (aw_ms)(minutes * (double)SIM_MIN) + 1;
        note(desk, agent->free_at, AGENT_DONE, number);
        return;
    }
    AW_ASSERT(err == AW_OK);
    if (desk->promises != NULL)
        sim_promises_handled(desk->promises, ticket->last.class_, desk->now - ticket->leased_at + pause_ms);
    mark(desk, ticket, true);
    if (desk->setup->policy->answers_clusters && ticket->cluster != 0)
        answer_cluster(desk, number, ticket->cluster);
    if (pause_ms > 0) {
        agent->doing = PAUSING;
        note(desk, desk->now + pause_ms, AGENT_BACK, number);
        return;
    }
    rest(desk, number);
}

static void
prolong(struct desk *desk, uint32_t number)
{
    struct agent     *agent = &desk->agents[number];
    char              name[16];
    struct aw_command extend = fenced(AW_COMMAND_EXTEND, agent, name_agent(number, name));

    /* An entry of a ticket that was done sooner than planned can't be: times of one ticket only grow. */
    if (agent->doing != BUSY || agent->free_at <= desk->now)
        return;
    if (apply(desk, &extend) != AW_OK)
        AW_UNREACHABLE();
    if (agent->free_at > desk->now + EXTEND_MS)
        note(desk, desk->now + EXTEND_MS, LEASE_ENDING, number);
}

static void
change_staff(struct desk *desk)
{
    const struct sim_scenario *scenario = desk->setup->scenario;
    double                     hour = (double)(desk->now - SIM_START) / (double)SIM_HOUR;
    double                     next = sim_scenario_staff_changes(scenario, hour);

    desk->on_duty = sim_scenario_staff(scenario, hour);
    desk->idle = 0;
    desk->over_duty = 0;
    for (uint32_t i = 0; i < desk->agent_count; i++) {
        bool is_idle = desk->agents[i].doing == IDLE;

        if (i < desk->on_duty)
            desk->idle += is_idle;
        else
            desk->over_duty += !is_idle;
    }
    if (next >= 0)
        note(desk, SIM_START + (aw_ms)(next * (double)SIM_HOUR), STAFF_CHANGES, 0);
}

/* All of a region at one moment. What waits moves by timers, before the next pull. */
static void
close_airports(struct desk *desk)
{
    const struct sim_scenario *scenario = desk->setup->scenario;

    for (unsigned i = 0; i < scenario->closing && !desk->setup->policy->is_deaf; i++) {
        struct aw_command command = {.kind = AW_COMMAND_AIRPORT,
                                     .in.airport = {.code = sim_scenario_airport(i),
                                                    .from = desk->now,
                                                    .until = desk->now + (aw_ms)(scenario->closed_hours * (double)SIM_HOUR)}};

        if (apply(desk, &command) != AW_OK)
            AW_UNREACHABLE();
    }
    sim_watch_close(desk->watch, desk->now);
}

/* --- customers -------------------------------------------------------------------------------------------------------------- */

static void
note_slot(struct desk *desk, uint32_t need, uint32_t slot)
{
    if (need >= desk->slot_room) {
        uint32_t  room = need + need / 2 + 4096;
        uint32_t *slots = realloc(desk->slots, room * sizeof(*slots));

        if (slots == NULL) {
            desk->err = AW_E_MEMORY;
            return;
        }
        for (uint32_t i = desk->slot_room; i < room; i++)
            slots[i] = 0;
        desk->slots = slots;
        desk->slot_room = room;
    }
    if (desk->slots[need] == 0)
        desk->slots[need] = slot;
}

static void
note_post(struct desk *desk, const struct sim_event *event, struct aw_command *command)
{
    const struct aw_out_message *out = &command->out.u.message;
    struct ticket               *ticket = &desk->tickets[out->ticket.slot];

    if (out->duplicate) {
        desk->tally.duplicates++;
        return;
    }
    if (out->folded) {
        desk->tally.folded++;
    } else if (!out->reopened) {
        *ticket = (struct ticket){
            .seq = out->ticket.seq, .class_ = AW_CLASS_OTHER, .cluster = sim_crowd_need(desk->crowd, event->need)->cluster};
        if (ticket->cluster != 0 && (desk->setup->policy->answers_clusters || desk->supervisors != NULL))
            join_cluster(desk, out->ticket.slot);
    }
    if (out->reopened)
        ticket->class_ = AW_CLASS_OTHER;
    ticket->unread++;
    link_need(desk, ticket, event->need);
    note_slot(desk, event->need, out->ticket.slot);
    if (!out->folded && !out->reopened && desk->promises != NULL &&
        !sim_promises_tell(desk->promises, event->need, sim_crowd_need(desk->crowd, event->need)))
        desk->err = AW_E_MEMORY;
    publish(desk, &command->out.event);
}

/* A flight for each passenger: what closes is the airport; but one for all of a cluster. */
static struct aw_flight_fact
flight_of(const struct desk *desk, uint32_t number, char text[AW_FLIGHT_NUMBER_BYTES_MAX])
{
    const struct sim_need *need = sim_crowd_need(desk->crowd, number);
    struct aw_airport_code from = sim_scenario_airport(need->from);
    struct aw_airport_code to = sim_scenario_airport(need->to);
    struct aw_flight_fact  flight = {.departs_at = need->departs_at};

    if (need->cluster != 0)
        return cluster_flight(need->cluster, text);
    if (desk->setup->scenario->airports == 0 || need->departs_at == 0)
        return (struct aw_flight_fact){.flight_hash = 0};
    flight.flight_hash = number_hash(6, number).low | 1;
    memcpy(flight.from, from.letters, sizeof(flight.from));
    memcpy(flight.to, to.letters, sizeof(flight.to));
    return flight;
}

static void
post(struct desk *desk, const struct sim_event *event)
{
    bool                   folds = desk->setup->policy->folds;
    const struct sim_need *need = sim_crowd_need(desk->crowd, event->need);
    char                   number[AW_FLIGHT_NUMBER_BYTES_MAX];
    /* Who asks more than the others names another flight as well. */
    struct aw_flight_fact flights[2] = {flight_of(desk, event->need, number),
                                        {.flight_hash = number_hash(8, event->need).low | 1}};
    uint64_t              delivery = ++desk->deliveries;
    struct aw_hash128     identities[2] = {folds ? number_hash(1, event->writer) : number_hash(3, delivery),
                                       number_hash(2, event->verified)};
    struct aw_command command = {.kind = AW_COMMAND_MESSAGE,
                                 .in.message = {.id_hash = folds ? number_hash(4, event->message) : number_hash(5, delivery),
                                                .identities = identities,
                                                .identity_count = folds && event->verified != 0 ? 2 : 1,
                                                .channel = AW_SLICE("web"),
                                                .account = AW_SLICE("main"),
                                                .flights = flights,
                                                .flight_count = need->is_odd ? 2 : flights[0].flight_hash != 0,
                                                .departs_at = need->departs_at,
                                                .reply_by = need->reply_by,
                                                .class_ = need->class_,
                                                .addressed = AW_ADDRESSED_TO_US}};

    if (apply(desk, &command) != AW_OK) {
        desk->err = command.out.err;
        return;
    }
    note_post(desk, event, &command);
}

/* Who gives up deletes the first message: its ticket goes, unless an agent has it or it is also about something else. */
static void
give_up(struct desk *desk, uint32_t need)
{
    const struct ticket *ticket = &desk->tickets[desk->slots[need]];
    struct aw_command    cancel = {.kind = AW_COMMAND_CANCEL,
                                   .in.ticket = {.ticket = {.seq = ticket->seq, .slot = desk->slots[need]}}};

    if (ticket->waiting && desk->links[ticket->links - 1].next == 0 && apply(desk, &cancel) != AW_OK)
        AW_UNREACHABLE();
}

/* --- the clock -------------------------------------------------------------------------------------------------------------- */

static void
pass_time(struct desk *desk, aw_ms until)
{
    aw_ms ms = until - desk->now;

    AW_ASSERT(until >= desk->now);
    desk->tally.waiting_ms += ms * desk->waiting;
    desk->tally.busy_ms += (double)ms * desk->busy;
    desk->tally.duty_ms += (double)ms * (desk->on_duty + desk->over_duty);
    desk->now = until;
}

static aw_ms
earlier(aw_ms a, aw_ms b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a < b ? a : b;
}

/* What people are told from now on. */
static void
look(struct desk *desk)
{
    sim_promises_begin(desk->promises, desk->now);
    for (uint32_t slot = 1; slot < aw_state_ticket_slots(desk->state); slot++) {
        const struct ticket *ticket = &desk->tickets[slot];

        if (ticket->waiting)
            sim_promises_add_waiting(desk->promises, &ticket->last, first_link(desk, ticket), first_need(desk, ticket));
    }
    sim_promises_look(desk->promises, desk->on_duty);
    note(desk, desk->now + desk->setup->look_ms, LOOK, 0);
}

static void
happen(struct desk *desk, const struct sim_entry *entry)
{
    switch ((enum happening)entry->what) {
    case AGENT_DONE:
        finish_work(desk, entry->who);
        return;
    case AGENT_BACK:
        rest(desk, entry->who);
        return;
    case LEASE_ENDING:
        prolong(desk, entry->who);
        return;
    case STAFF_CHANGES:
        change_staff(desk);
        return;
    case AIRPORTS_CLOSE:
        close_airports(desk);
        return;
    case LOOK:
        look(desk);
        return;
    case SUPERVISION:
        supervise(desk);
        return;
    case ANSWER_READY:
        answer_incident(desk, entry->who);
        return;
    }
    AW_UNREACHABLE();
}

/* One thing that happens at `now`. False: nothing more does. */
static bool
step(struct desk *desk)
{
    struct aw_command       timer;
    const struct sim_entry *entry = sim_agenda_first(&desk->agenda);

    aw_state_incidents_look(desk->state);
    if (aw_state_due(desk->state, desk->now, &timer)) {
        (void)apply(desk, &timer); /* a ticket that moved on is no error */
        if (timer.kind == AW_COMMAND_INCIDENT)
            note_proposal(desk, &timer);
        else if (timer.kind == AW_COMMAND_INCIDENT_TIMER)
            note_answered(desk, &timer);
        return true;
    }
    if (entry != NULL && entry->at <= desk->now) {
        struct sim_entry first = *entry;

        sim_agenda_drop_first(&desk->agenda);
        happen(desk, &first);
        return true;
    }
    if (sim_crowd_next_at(desk->crowd) != 0 && sim_crowd_next_at(desk->crowd) <= desk->now) {
        struct sim_event event = sim_crowd_take(desk->crowd);

        if (event.act == SIM_GIVE_UP)
            give_up(desk, event.need);
        else if (!sim_crowd_failed(desk->crowd))
            post(desk, &event);
        return true;
    }
    return false;
}

static void
run(struct desk *desk)
{
    change_staff(desk);
    if (desk->promises != NULL)
        look(desk);
    if (desk->supervisors != NULL)
        supervise(desk);
    if (desk->watch != NULL)
        note(desk, SIM_START + (aw_ms)(desk->setup->scenario->closes_hour * (double)SIM_HOUR), AIRPORTS_CLOSE, 0);
    while (desk->err == AW_OK && !sim_crowd_failed(desk->crowd)) {
        const struct sim_entry *entry = sim_agenda_first(&desk->agenda);
        aw_ms                   next =
            earlier(earlier(entry != NULL ? entry->at : 0, sim_crowd_next_at(desk->crowd)), aw_state_next_due(desk->state));

        if (next == 0 || next >= desk->end)
            break;
        pass_time(desk, next > desk->now ? next : desk->now);
        while (step(desk) && desk->err == AW_OK)
            ;
        pull(desk);
        (void)aw_lanes_reclaim(desk->lanes); /* how much is its own affair */
    }
    if (sim_crowd_failed(desk->crowd))
        desk->err = AW_E_MEMORY;
    pass_time(desk, desk->end);
}

/* --- making and ending ------------------------------------------------------------------------------------------------------ */

/* Enough when each message is a ticket and everybody writes again until the end; tables that are larger cost time in a short run.
 * A run that needs more breaks off, and says so. */
static uint32_t
tickets_needed(const struct sim_scenario *scenario)
{
    double needs = scenario->base_per_hour * sim_scenario_load_most(scenario) * scenario->hours;
    double each = 1 + scenario->copies + scenario->follow_ups_per_hour * scenario->hours;
    double tickets = 1.1 * needs * each + 4096;

    return scenario->is_generated || tickets > TICKETS_MAX ? TICKETS_MAX : (uint32_t)tickets;
}

static enum aw_err
open_desk(struct desk *desk, const struct sim_setup *setup, struct aw_why *why)
{
    struct aw_state_limits limits = AW_STATE_LIMITS_DEFAULT;
    struct aw_lanes_config lanes = {.lanes_max = 2, .base = SIM_START - 24 * SIM_HOUR, .bytes_max = LANES_BYTES_MAX};
    struct aw_command      settings = {.kind = AW_COMMAND_SETTINGS, .in.settings = AW_CORE_SETTINGS_DEFAULT};

    /* Who had a ticket before makes no difference to how long people wait, and nobody here offers what is kept. */
    settings.in.settings.kept_ms = 0;
    settings.in.settings.kept_gentle_ms = 0;
    AW_ASSERT(setup->scenario->hours * (double)SIM_HOUR <= (double)(SIM_BUCKETS_MAX * SIM_BUCKET_MS));
    *desk = (struct desk){.setup = setup, .now = SIM_START, .index = 1};
    desk->tickets_max = tickets_needed(setup->scenario);
    lanes.tickets_max = desk->tickets_max;
    desk->end = SIM_START + (aw_ms)(setup->scenario->hours * (double)SIM_HOUR);
    desk->agent_count = sim_scenario_staff_most(setup->scenario);
    limits.tickets_max = desk->tickets_max;
    limits.identities_max = 2 * desk->tickets_max;
    limits.ids_max = 2 * desk->tickets_max;
    limits.facts_max = desk->tickets_max;
    limits.agents_max = desk->agent_count + 1;
    desk->crowd = sim_crowd_new(setup->scenario, setup->seed);
    desk->agents = aw_new_array(struct agent, desk->agent_count + 1);
    desk->tickets = aw_new_array(struct ticket, desk->tickets_max);
    desk->clusters = aw_new_array(struct cluster, setup->scenario->clusters + 1);
    desk->cluster_waiting = aw_new_array(uint32_t, setup->scenario->clusters + 1);
    if (setup->policy->answers_incidents)
        desk->supervisors = sim_supervisors_new(setup->scenario);
    if (setup->scenario->closing > 0)
        desk->watch = sim_watch_new(desk->tickets_max, &setup->order);
    if (setup->fade_hours > 0 && sim_promises_new(&desk->promises, setup->scenario, &setup->order, setup->fade_hours) != AW_OK)
        return aw_why(why, AW_E_MEMORY, "no memory for promises");
    if (desk->crowd == NULL || desk->agents == NULL || desk->tickets == NULL || desk->clusters == NULL ||
        desk->cluster_waiting == NULL || (setup->scenario->closing > 0 && desk->watch == NULL) ||
        (setup->policy->answers_incidents && desk->supervisors == NULL))
        return aw_why(why, AW_E_MEMORY, "no memory for the desk");
    desk->err = aw_state_new(&desk->state, &limits, 0, why);
    if (desk->err != AW_OK)
        return desk->err;
    aw_qsbr_init(&desk->qsbr);
    desk->err = aw_lanes_new(&desk->lanes, &lanes, &desk->qsbr);
    if (desk->err != AW_OK)
        return aw_why(why, desk->err, "no room for the lanes");
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        settings.in.settings.handling_ms[i] = setup->order.handling_ms[i];
    desk->err = apply(desk, &settings);
    return desk->err == AW_OK ? AW_OK : aw_why(why, desk->err, "the server refuses these settings");
}

static void
close_desk(struct desk *desk)
{
    for (unsigned i = 0; desk->clusters != NULL && i < desk->setup->scenario->clusters; i++) {
        free(desk->clusters[i].slots);
        free(desk->clusters[i].seqs);
    }
    free(desk->clusters);
    free(desk->cluster_waiting);
    sim_supervisors_free(&desk->supervisors);
    sim_watch_free(&desk->watch);
    sim_promises_free(&desk->promises);
    free(desk->links);
    free(desk->slots);
    free(desk->tickets);
    free(desk->agents);
    sim_agenda_fini(&desk->agenda);
    aw_lanes_free(&desk->lanes);
    aw_state_free(&desk->state);
    sim_crowd_free(&desk->crowd);
}

enum aw_err
sim_desk_run(const struct sim_setup *setup, struct sim_result *ret_result, struct aw_why *why)
{
    struct desk *desk = aw_new(struct desk);
    enum aw_err  err;

    if (desk == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the desk");
    err = open_desk(desk, setup, why);
    if (err == AW_OK) {
        run(desk);
        err = desk->err == AW_OK
                  ? AW_OK
                  : aw_why(why, desk->err, "the run broke off at hour %.1f", (double)(desk->now - SIM_START) / (double)SIM_HOUR);
    }
    if (err == AW_OK) {
        for (uint32_t slot = 1; slot < aw_state_ticket_slots(desk->state); slot++) {
            desk->tally.work += desk->tickets[slot].waiting;
            set_waiting(desk, &desk->tickets[slot], false);
        }
        if (desk->watch != NULL)
            desk->tally.closed = sim_watch_count(desk->watch);
        err = sim_result_make(ret_result, &setup->order, desk->crowd, &desk->tally, desk->end);
        if (err == AW_OK && desk->promises != NULL)
            err = sim_promises_judge(desk->promises, desk->crowd, desk->end, &ret_result->told);
        if (err != AW_OK)
            (void)aw_why(why, err, "no memory for the result");
        else
            ret_result->digest = aw_state_digest(desk->state);
    }
    close_desk(desk);
    free(desk);
    return err;
}
