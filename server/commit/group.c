/* group.c - one group commit: admission, apply, batches, flush. */
#include "commit/parts.h"

/* A timer that finds no room in the queues is tried again after this. */
#define TIMER_PUT_OFF_MS 100U
/* Groups in a row that may go by without a post, as what comes before posts has used up what was at hand. */
#define POSTS_REST_GROUPS 8U
/* The answers of an incident that find no room in the outbox wait so long for gateways. */
#define INCIDENTS_REST_MS 1000U

/* Shut when nothing fits any more: the rest waits for the next group. */
static bool
group_is_full(const struct aw_committer *c)
{
    return c->group_records >= AW_GROUP_RECORDS_MAX || c->group_batches >= AW_SUBMITS_MAX;
}

static void
become_broken(struct aw_committer *c)
{
    aw_committer_set_role(c, AW_ROLE_BROKEN);
    c->event_count = 0; /* the state is void: nothing of it may be published */
}

static void
open_batch(struct aw_committer *c, aw_ms now)
{
    aw_batch_reset(&c->batch);
    c->batch_entry_count = 0;
    aw_state_begin(c->config.state, c->head.index + 1, now);
}

/* Closes the batch if it holds anything and hands it to the journal. False: broken. */
static bool
close_batch(struct aw_committer *c, struct aw_hash128 digest_before, aw_ms now)
{
    const struct aw_store_identity *identity = aw_journal_identity(c->config.journal);
    struct aw_batch_header          header = {.shard = identity->shard,
                                              .sm_version = AW_SM_VERSION,
                                              .index = c->head.index + 1,
                                              .epoch = aw_state_epoch(c->config.state),
                                              .now = now,
                                              .digest_before = digest_before,
                                              .previous = c->head.hash};
    struct aw_journal_batch         batch;

    if (aw_batch_count(&c->batch) == 0)
        return true;
    memcpy(header.uuid, identity->uuid, sizeof(header.uuid));
    /* Admission took the room before apply, so FULL here is a defect of the engine: as the state is ahead of the store by now,
     * the only honest way out is the latch. */
    if (!aw_batch_close(&c->batch, &header, &c->head.hash, &batch) ||
        aw_journal_submit(c->config.journal, &batch) != AW_OUTCOME_OK)
        return false;
    for (uint32_t i = 0; i < c->batch_entry_count; i++)
        c->batch_entries[i]->point = (struct aw_commit_point){.index = header.index, .hash = c->head.hash};
    c->head.index = header.index;
    c->head.next_seq = header.first_seq + header.count;
    c->head.epoch = header.epoch;
    c->head.now = now;
    c->group_batches++;
    c->bytes_since_checkpoint += header.bytes;
    c->must_flush = true;
    return true;
}

/* Of a reply: the ticket that it was written for may be open again. */
static bool
is_refusal(const struct aw_command *command)
{
    return command->kind == AW_COMMAND_APPROVE && !command->in.approve.goes;
}

uint32_t
aw_group_pushes_anew(const struct aw_command *command)
{
    if (command->kind == AW_COMMAND_UNHOLD || command->kind == AW_COMMAND_PLACE || command->kind == AW_COMMAND_UNFOLD ||
        is_refusal(command))
        return 1;
    return command->kind == AW_COMMAND_TIMER ? command->in.timer.pushes : 0;
}

static enum aw_timer_turn
turn_of(const struct aw_command *command)
{
    return command->kind == AW_COMMAND_TIMER ? command->in.timer.turn : AW_TIMER_TURN_NOW;
}

/* A ticket more needs room for its lease and complete, as one that a post opens. */
static bool
opens_another(const struct aw_command *command)
{
    return command->kind == AW_COMMAND_UNFOLD && command->in.unfold.message_count > 0 && !command->in.unfold.on.dry_run;
}

/* What colleagues tell each other, what gateways say was deleted, and how long it takes, is no reason to run short: it finds no
 * place in what is kept for draining. */
static bool
is_told_beside(const struct aw_command *command)
{
    return command->kind == AW_COMMAND_NOTE || command->kind == AW_COMMAND_WITHDRAW || command->kind == AW_COMMAND_OPT_OUT ||
           command->kind == AW_COMMAND_FORECAST || command->kind == AW_COMMAND_PROMISE ||
           (command->kind == AW_COMMAND_TRANSFER && command->in.transfer.note.len > 0) ||
           (command->kind == AW_COMMAND_DEFER && command->in.defer.what.len > 0);
}

/* Incidents are no reason either, but for an answer's tickets: each of those is drained. */
static bool
is_about_incidents(const struct aw_command *command)
{
    return command->kind == AW_COMMAND_INCIDENT || command->kind == AW_COMMAND_INCIDENT_LINK ||
           command->kind == AW_COMMAND_INCIDENT_ANSWER;
}

/* What is set, and may be set otherwise as often as somebody likes. */
static bool
is_change(const struct aw_command *command)
{
    switch ((unsigned)command->kind) {
    case AW_COMMAND_LANE:
    case AW_COMMAND_FLIGHT:
    case AW_COMMAND_AIRPORT:
    case AW_COMMAND_UNDO:
    case AW_COMMAND_AGENT:
    case AW_COMMAND_CHANNEL:
    case AW_COMMAND_PRESENCE:
    case AW_COMMAND_ERASE:
    case AW_COMMAND_HOLD:
    case AW_COMMAND_REDRIVE:
    case AW_COMMAND_TEMPLATE:
    case AW_COMMAND_SURGE:
        return true;
    case AW_COMMAND_PLACE:
        return command->in.ticket.hold != AW_HOLD_OFF; /* else as UNHOLD: only what is held is let go */
    default:
        return false;
    }
}

/* A lane that gives nothing out, or that nobody helps, does so again. */
static bool
opens_lane(const struct aw_committer *c, const struct aw_in_lane *in)
{
    struct aw_slice       values[4 * AW_LANE_MATCH_MAX];
    struct aw_lane_answer now;
    uint32_t              lane;

    if (in->pause != AW_LANE_OPEN || aw_state_find_lane(c->config.state, in->name, &lane) != AW_OK)
        return false;
    aw_state_lane(c->config.state, lane, values, &now);
    return !aw_state_lane_gives(c->config.state, lane) || (in->helper_count > 0 && now.helper_count == 0);
}

/* What takes back a change, so that tickets are leased again: there are no more of these than of the others. */
static bool
opens_again(const struct aw_committer *c, const struct aw_command *command)
{
    const struct aw_in_agent *in = &command->in.agent;

    if (command->kind == AW_COMMAND_LANE)
        return opens_lane(c, &command->in.lane);
    if (command->kind == AW_COMMAND_AGENT) /* whose units are used up, and who is to have no bounds */
        return in->unit_count == 0 && in->units_total == AW_UNITS_NO_TOTAL &&
               aw_state_agent_full(c->config.state, aw_state_find_agent(c->config.state, in->name)) != 0;
    return command->kind == AW_COMMAND_PRESENCE && command->in.presence.presence == AW_PRESENCE_READY;
}

static uint64_t
timer_bytes_kept(const struct aw_admission *room, enum aw_timer_turn turn)
{
    uint64_t share = room->reserve_bytes / AW_RESERVE_SHARES;

    switch (turn) {
    case AW_TIMER_TURN_NOW:
        return 0;
    case AW_TIMER_TURN_HELP:
        return room->open_bytes + AW_RESERVE_SHARES_OF_DRAINS * share;
    case AW_TIMER_TURN_PRESSING:
        return room->open_bytes + room->cut_bytes + AW_RESERVE_SHARES_OF_DRAINS * share;
    case AW_TIMER_TURN_CLASS:
        return room->open_bytes + room->cut_bytes + AW_RESERVE_SHARES_OF_CLASSES * share;
    case AW_TIMER_TURN_QUESTION:
        return room->open_bytes + room->cut_bytes + AW_RESERVE_SHARES_OF_QUESTIONS * share;
    }
    AW_UNREACHABLE();
}

uint64_t
aw_group_bytes_kept(const struct aw_committer *c, const struct aw_command *command)
{
    const struct aw_admission *room = &c->admission;
    uint64_t                   share = room->reserve_bytes / AW_RESERVE_SHARES;

    if (is_refusal(command))
        return room->open_bytes + AW_RESERVE_SHARES_OF_DRAINS * share + AW_DRAIN_BYTES_PER_TICKET;
    if (command->kind == AW_COMMAND_TIMER)
        return timer_bytes_kept(room, command->in.timer.turn);
    if (opens_again(c, command))
        return room->open_bytes + AW_RESERVE_SHARES_OF_DRAINS * share;
    if (!is_change(command))
        return 0;
    return room->open_bytes + room->cut_bytes + AW_RESERVE_SHARES_OF_CHANGES * share +
           (command->kind == AW_COMMAND_REDRIVE ? (uint64_t)command->in.redrive.max * AW_DRAIN_BYTES_PER_REPLY : 0);
}

/* What a command that is no post takes of the posts' room: for a ticket that it opens as a post does, for the reply that tells that
 * a promise moves, and of a reply what is beyond its share of what is kept for its ticket. */
static uint64_t
spare_needed(const struct aw_command *command, uint64_t cost, size_t body_bytes)
{
    uint64_t needed = opens_another(command) ? cost + AW_DRAIN_BYTES_PER_TICKET : 0;

    if (is_told_beside(command) || is_about_incidents(command))
        needed += cost + (command->kind == AW_COMMAND_PROMISE ? AW_DRAIN_BYTES_PER_REPLY : 0);
    if ((command->kind == AW_COMMAND_REPLY || command->kind == AW_COMMAND_COMPLETE) && body_bytes > AW_DRAIN_BODY_BYTES)
        needed += cost;
    return needed;
}

/* The engine allocates ahead with each flush: what this group has used up, the next one finds again, as far as this one did. */
static bool
next_group_has(const struct aw_committer *c, uint64_t drain_bytes, uint64_t spare_bytes)
{
    return drain_bytes <= c->admission.drain_begun_bytes && spare_bytes <= c->admission.spare_begun_bytes;
}

/* --- room in the lanes: aw_committer_lanes_reserve ------------------------------------------------------------------------- */

uint64_t
aw_committer_lanes_reserve(uint32_t leases_max, uint32_t choices_max)
{
    return leases_max + UINT64_C(2) * choices_max + AW_LANES_OPEN_PUSHES;
}

static void
set_shut(struct aw_committer *c, bool is_shut)
{
    if (c->is_shut == is_shut)
        return;
    c->is_shut = is_shut;
    aw_lanes_set_shut(c->config.lanes, is_shut);
    if (c->config.report.shut != NULL)
        c->config.report.shut(c->config.report.user, is_shut);
}

/* For what is leased, and for what is in hand or may be before everybody knows that they are shut; a choice may be displaced by a
 * ticket aside, which is one lease more. */
static uint64_t
pushes_owed(const struct aw_committer *c)
{
    return aw_state_lease_count(c->config.state) + UINT64_C(2) * c->config.choices_max;
}

static void
shut_when_low(struct aw_committer *c)
{
    if (c->admission.pushes <= pushes_owed(c) + AW_LANES_SHUT_PUSHES)
        set_shut(c, true);
}

enum aw_err
aw_group_admit_pushes(const struct aw_committer *c, uint32_t pushes)
{
    uint64_t room = c->admission.pushes;

    if (room >= c->lanes_reserve + pushes)
        return AW_OK;
    return room + aw_lanes_room_held_up(c->config.lanes) >= c->lanes_reserve + pushes ? AW_E_OVERLOADED : AW_E_TABLE_FULL;
}

static void
note_refused(struct aw_committer *c, uint64_t bytes)
{
    c->refused_post = true;
    if (c->refused_bytes < bytes)
        c->refused_bytes = bytes;
}

/* Lanes that begin to help may do so late: that does not take the half of the queues that is for what comes. */
static bool
is_half_full(const struct aw_committer *c, uint32_t pushes)
{
    uint64_t most = c->lanes_room_most > c->lanes_reserve ? c->lanes_room_most - c->lanes_reserve : 0;

    return pushes > 0 && c->admission.pushes < c->lanes_reserve + most / 2 + pushes;
}

static enum aw_err
admit_drain(struct aw_committer *c, const struct aw_command *command, uint64_t cost, size_t body_bytes)
{
    struct aw_admission *room = &c->admission;
    uint64_t             spare = spare_needed(command, cost, body_bytes);
    uint64_t             kept = aw_group_bytes_kept(c, command);
    uint32_t             pushes = aw_group_pushes_anew(command);

    if (cost + kept > room->drain_bytes || spare > room->spare_bytes)
        return next_group_has(c, cost + kept, spare) ? AW_E_AGAIN : AW_E_STORE_FULL;
    if (pushes > 0 && aw_group_admit_pushes(c, pushes) != AW_OK)
        return aw_group_admit_pushes(c, pushes);
    if (turn_of(command) == AW_TIMER_TURN_HELP && is_half_full(c, pushes))
        return AW_E_OVERLOADED;
    room->spare_bytes -= spare;
    room->drain_bytes -= cost;
    room->posts_bytes -= cost < room->posts_bytes ? cost : room->posts_bytes;
    return aw_state_admits(c->config.state, command);
}

/* Only a group that could not even take one post knows that there is no more. */
static enum aw_err
admit_post(struct aw_committer *c, const struct aw_command *command, uint64_t cost)
{
    struct aw_admission *room = &c->admission;
    uint64_t             needed = cost + AW_DRAIN_BYTES_PER_TICKET; /* of the ticket that it opens */

    if (c->group_bytes > 0 && (needed + AW_ROOM_BESIDE_BYTES > room->posts_bytes || needed > room->spare_bytes))
        return AW_E_AGAIN;
    if (needed > room->spare_bytes || needed > room->posts_bytes) {
        if (next_group_has(c, cost, needed) && c->posts_rest_groups++ < POSTS_REST_GROUPS)
            return AW_E_AGAIN;
        note_refused(c, needed);
        return AW_E_STORE_FULL;
    }
    if (aw_group_admit_pushes(c, 1) != AW_OK)
        return aw_group_admit_pushes(c, 1);
    if (aw_state_admits(c->config.state, command) != AW_OK)
        return AW_E_TABLE_FULL;
    room->posts_bytes -= needed;
    room->spare_bytes -= needed;
    room->drain_bytes -= cost < room->drain_bytes ? cost : room->drain_bytes;
    room->open_bytes += AW_DRAIN_BYTES_PER_TICKET;
    c->posts_rest_groups = 0;
    return AW_OK;
}

/* Room is taken here, before anything changes; that is why a commit does not fail for lack of it. AW_E_AGAIN: by the next group. */
static enum aw_err
admit(struct aw_committer *c, const struct aw_command *command, size_t record_bytes, size_t body_bytes)
{
    uint64_t cost = aw_journal_cost(c->config.journal, record_bytes, body_bytes);

    return aw_command_is_post(command) ? admit_post(c, command, cost) : admit_drain(c, command, cost, body_bytes);
}

static void
note_event(struct aw_committer *c, const struct aw_event *event)
{
    if (event->kind == AW_EVENT_NONE)
        return;
    AW_ASSERT(c->event_count < AW_GROUP_EVENTS_MAX);
    c->events[c->event_count++] = *event;
    if (event->kind == AW_EVENT_QUEUED || event->kind == AW_EVENT_HELPED || event->kind == AW_EVENT_BACK) {
        uint32_t pushes = event->kind == AW_EVENT_QUEUED ? 1 : event->other_count;

        AW_ASSERT(c->admission.pushes >= pushes);
        c->admission.pushes -= pushes;
        shut_when_low(c);
    }
}

/* What was taken out of its queues must go back there, and nowhere else: an imminent one, which lies in two, would otherwise have
 * one entry more each time. A lane that helps no more does not get it back: nobody there may have it. */
bool
aw_group_put_back(struct aw_committer *c, const struct aw_in_lease *lease)
{
    struct aw_ticket_view view;
    struct aw_event       event = {.kind = AW_EVENT_BACK, .slot = lease->slot};

    if (!aw_state_ticket_at(c->config.state, lease->slot, &view) || view.state != AW_TICKET_WAITING ||
        view.version != lease->version || view.is_aside)
        return false;
    for (uint32_t i = 0; i < lease->taken_count; i++) {
        if (aw_state_waits_in(c->config.state, lease->slot, lease->taken_from[i].lane))
            event.others[event.other_count++] = lease->taken_from[i];
    }
    if (event.other_count == 0)
        return false;
    event.version = view.version;
    event.lane = view.lane;
    event.class_ = view.class_;
    event.key = view.key;
    event.age = view.age;
    event.shelf = view.shelf;
    note_event(c, &event);
    return true;
}

/* Refused although its ticket may still wait. No record tells that it was in hand: the next lease's does. */
static void
put_back_refused(struct aw_committer *c, const struct aw_in_lease *lease)
{
    uint64_t seen_seq = lease->choice.seen_seq;

    if (aw_group_put_back(c, lease) && (c->refused_seq == 0 || seen_seq < c->refused_seq))
        c->refused_seq = seen_seq == 0 ? 1 : seen_seq;
}

/* For the record: how long its pull had the ticket in hand. */
static void
note_held(const struct aw_committer *c, struct aw_lease_choice *choice)
{
    aw_ns mono = choice->at == 0 ? 0 : c->config.mono();
    aw_ns held_us = mono > choice->taken_at ? (mono - choice->taken_at) / AW_NS_PER_US : 0;

    choice->held_us = held_us < UINT32_MAX ? (uint32_t)held_us : UINT32_MAX;
}

/* What is kept free for each open ticket has no place for a long list of lanes: without room for it, the record goes without.
 * False: the next group has room. */
static bool
spare_choice(struct aw_committer *c, struct aw_command *command)
{
    struct aw_lease_choice *choice = &command->in.lease.choice;
    uint64_t                cost;

    if (choice->lane_count <= AW_DRAIN_LANES_PER_LEASE)
        return true;
    cost = aw_journal_cost(c->config.journal, aw_record_bytes_max(command), 0);
    if (cost > c->admission.spare_bytes) {
        if (next_group_has(c, cost, cost))
            return false;
        *choice = (struct aw_lease_choice){.at = 0};
        return true;
    }
    c->admission.spare_bytes -= cost;
    return true;
}

/* Who pulls from which lanes, and by which order: for forecasts. */
static void
note_choice(struct aw_committer *c, const struct aw_in_lease *lease)
{
    aw_present_note(&c->present, aw_state_find_agent(c->config.state, lease->agent), lease->choice.lanes,
                    lease->choice.lane_count, c->now);
    c->order = lease->choice.order;
    c->has_order = true;
}

/* A block to publish an agent's settings in is taken before they change: a publish can't fail. */
static enum aw_err
admit_and_apply(struct aw_committer *c, struct aw_command *command, size_t record, size_t body)
{
    bool        sets_agent = command->kind == AW_COMMAND_AGENT || command->kind == AW_COMMAND_PRESENCE;
    enum aw_err err = admit(c, command, record, body);

    if (err == AW_OK && sets_agent && !aw_agents_directory_reserve(c->config.agents))
        err = AW_E_MEMORY;
    if (err != AW_OK)
        return err;
    (void)aw_state_apply(c->config.state, command); /* the outcome is in `out`; refusals are answers, not failures */
    if (sets_agent && !command->out.changed)
        aw_agents_directory_unreserve(c->config.agents);
    return AW_OK;
}

/* The next of its kind needs what the next group has. */
static void
shut_group_for(struct aw_committer *c, const struct aw_command *command)
{
    if (aw_command_is_post(command))
        c->is_shut_for_posts = true;
    else
        c->is_shut_for_drains = true;
}

/* Applies one entry into the open batch. False when the batch or the group has no room for it: nothing was done. */
static bool
apply_one(struct aw_committer *c, struct aw_entry *entry, aw_ms now)
{
    struct aw_command *command = &entry->command;
    struct aw_in_body  content;
    size_t             record;
    size_t             body;
    enum aw_err        err;

    if (command->kind == AW_COMMAND_LEASE && command->in.lease.slot == 0) { /* an empty choice that nothing was found for */
        entry->point = (struct aw_commit_point){.index = 0};
        command->out = (struct aw_outcome_of){.err = AW_E_STALE};
        c->group_records++;
        return true;
    }
    if (command->kind == AW_COMMAND_LEASE)
        command->in.lease.choice.refused_seq = c->refused_seq;
    command->out = (struct aw_outcome_of){.err = AW_OK};
    body = aw_command_body(command, &content) ? content.bytes.len : 0;
    if (!aw_batch_fits(&c->batch, aw_record_bytes_max(command), body))
        return false;
    if (command->kind == AW_COMMAND_LEASE && !spare_choice(c, command)) {
        c->is_shut_for_drains = true;
        return false;
    }
    record = aw_record_bytes_max(command);
    entry->point = (struct aw_commit_point){.index = 0};
    if (command->kind == AW_COMMAND_LEASE)
        note_held(c, &command->in.lease.choice);
    err = admit_and_apply(c, command, record, body);
    if (err == AW_E_AGAIN) {
        shut_group_for(c, command);
        return false;
    }
    if (err != AW_OK)
        command->out.err = err;
    c->group_records++;
    if (command->out.changed) {
        aw_batch_add(&c->batch, command, now);
        c->batch_entries[c->batch_entry_count++] = entry;
        if (aw_command_is_post(command))
            c->group_bytes += record + body;
        if (aw_command_erases(command->kind))
            c->erasure_seq = command->out.seq;
    }
    note_event(c, &command->out.event);
    if (command->kind == AW_COMMAND_LEASE && command->out.err == AW_OK) {
        if (command->in.lease.choice.at != 0) /* else nobody knows how it was chosen */
            note_choice(c, &command->in.lease);
        aw_publish_leased(c, &command->in.lease.pull_key); /* their query finds what is durable by then */
        shut_when_low(c);
        if (command->in.lease.choice.at != 0)
            c->refused_seq = 0; /* it is told */
    } else if (command->kind == AW_COMMAND_LEASE) {
        put_back_refused(c, &command->in.lease);
    }
    return true;
}

/* A choice that a stream made while its units were taken otherwise. */
static void
refuse_choice(struct aw_committer *c, struct aw_entry *entry)
{
    entry->point = (struct aw_commit_point){.index = 0};
    entry->command.out = (struct aw_outcome_of){.err = AW_E_STALE};
    c->group_records++;
    if (entry->command.in.lease.slot != 0)
        put_back_refused(c, &entry->command.in.lease);
}

/* True: the next command of this submission is done with. */
static bool
lease_one(struct aw_committer *c, struct aw_submission *submission, aw_ms now)
{
    struct aw_entry *entry = &submission->entries[submission->done];

    if (aw_streams_is_beyond(c, submission->pull)) {
        refuse_choice(c, entry);
        return true;
    }
    aw_side_choose(c, submission);
    return apply_one(c, entry, now);
}

/* False: it waits for a batch or group with more room. */
static bool
begin_atomic(struct aw_committer *c, struct aw_submission *submission)
{
    switch (aw_atomic_try(c, submission)) {
    case AW_ATOMIC_GO:
    case AW_ATOMIC_REFUSED:
        return true;
    case AW_ATOMIC_NEXT_GROUP:
        c->is_shut_for_drains = true;
        return false;
    case AW_ATOMIC_NEXT_BATCH:
        return false;
    }
    AW_UNREACHABLE();
}

/* Applies what fits of it, up to `most` commands. True when it is through. */
static bool
apply_entries(struct aw_committer *c, struct aw_submission *submission, uint32_t most, aw_ms now)
{
    for (; submission->done < submission->count && most > 0; most--) {
        struct aw_entry *entry = &submission->entries[submission->done];
        bool             is_done;

        if (submission->done + AW_PREFETCH_AHEAD < submission->count)
            aw_state_prefetch(c->config.state, &entry[AW_PREFETCH_AHEAD].command);
        if (group_is_full(c))
            return false;
        is_done = entry->command.kind == AW_COMMAND_LEASE ? lease_one(c, submission, now) : apply_one(c, entry, now);
        AW_IMPLIES(submission->is_atomic, is_done && entry->command.out.err == AW_OK);
        if (!is_done)
            return false;
        submission->done++;
    }
    return submission->done == submission->count;
}

/* It goes back after the flush. */
static void
finish(struct aw_committer *c, struct aw_submission *submission)
{
    aw_list_remove(&submission->link);
    aw_list_push_back(&c->done, &submission->link);
}

/* Applies what fits of the first one that is no post; moves it to `done` when it is through. False when the batch is full. */
static bool
apply_drain(struct aw_committer *c, aw_ms now)
{
    struct aw_list       *first = aw_list_first(&c->drains);
    struct aw_submission *submission;
    aw_ns                 began;
    bool                  is_through;

    AW_ASSERT(first != NULL);
    submission = AW_CONTAINER(first, struct aw_submission, link);
    began = submission->rests ? c->config.mono() : 0;
    if (submission->is_atomic && !begin_atomic(c, submission))
        return false;
    is_through = apply_entries(c, submission, UINT32_MAX, now);
    if (submission->rests)
        aw_publish_rest(c, began);
    if (is_through)
        finish(c, submission);
    return is_through;
}

/* No room for this one in the queues, or in the store; leases that run out have theirs, so they must not wait behind it. */
static void
put_off(struct aw_committer *c, const struct aw_command *command, aw_ms now)
{
    if (command->kind == AW_COMMAND_INCIDENT_TIMER)
        aw_state_incidents_rest(c->config.state, now + INCIDENTS_REST_MS);
    else if (turn_of(command) == AW_TIMER_TURN_HELP)
        aw_state_put_off_help(c->config.state, command->in.timer.slot);
    else if (command->out.err == AW_E_STORE_FULL)
        aw_state_put_off_late(c->config.state, &command->in.timer);
    else
        aw_state_put_off(c->config.state, command->in.timer.slot, now + TIMER_PUT_OFF_MS);
}

/* Timers have no submission: their entries live only as long as the batch is open. */
static void
apply_timers(struct aw_committer *c, aw_ms now)
{
    aw_state_rearm(c->config.state);
    aw_state_incidents_look(c->config.state);
    for (uint32_t i = 0; i < AW_GROUP_TIMERS_MAX && !group_is_full(c); i++) {
        struct aw_entry entry;

        if (!aw_state_due(c->config.state, now, &entry.command) || !apply_one(c, &entry, now))
            return;
        if (entry.command.out.changed)
            c->batch_entry_count--; /* nobody waits for its commit point */
        if (is_about_incidents(&entry.command) && entry.command.out.err != AW_OK) {
            aw_state_incidents_skip(c->config.state, &entry.command, now + INCIDENTS_REST_MS);
        } else if (entry.command.out.err == AW_E_TABLE_FULL || entry.command.out.err == AW_E_OVERLOADED ||
                   (entry.command.out.err == AW_E_STORE_FULL && turn_of(&entry.command) != AW_TIMER_TURN_NOW)) {
            put_off(c, &entry.command, now);
        } else if (entry.command.out.err != AW_OK) {
            c->is_timer_refused = true; /* no room even in the reserve: it stays due */
            return;
        }
    }
}

/* What it takes to lease and complete every ticket that is open now, and to have every reply sent. */
static uint64_t
open_bytes(const struct aw_committer *c)
{
    struct aw_state_counts counts;
    uint64_t               open = 0, on_their_way = 0;

    aw_state_counts(c->config.state, &counts);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        open += counts.tickets[AW_TICKET_WAITING][i] + counts.tickets[AW_TICKET_LEASED][i] + counts.tickets[AW_TICKET_HELD][i];
    for (unsigned i = AW_REPLY_PENDING; i <= AW_REPLY_FAILED; i++)
        on_their_way += counts.replies[i];
    return open * AW_DRAIN_BYTES_PER_TICKET + on_their_way * AW_DRAIN_BYTES_PER_REPLY;
}

/* What is left up to the store's limit when all that is owed was written. */
static uint64_t
left_of_limit(const struct aw_journal_room *room, uint64_t owed)
{
    uint64_t spoken_for = room->used_bytes + room->reserve_bytes + owed;

    return room->limit_bytes > spoken_for ? room->limit_bytes - spoken_for : 0;
}

static void
begin_group(struct aw_committer *c)
{
    struct aw_journal_room room;
    uint64_t               open = open_bytes(c);
    uint64_t               cut = aw_state_cut_bytes(c->config.state); /* a checkpoint more: else a full store is never trimmed */
    uint64_t               owed = open + cut;
    uint64_t               again, left, spare;

    aw_journal_set_owed(c->config.journal, owed);
    aw_journal_room(c->config.journal, &room);
    left = left_of_limit(&room, owed);
    spare = left < room.posts_bytes ? left : room.posts_bytes;
    again = room.reserve_bytes / AW_ROOM_AGAIN_SHARE;
    c->admission = (struct aw_admission){.posts_bytes = room.posts_bytes,
                                         .limit_bytes = left,
                                         .spare_bytes = spare,
                                         .spare_begun_bytes = spare,
                                         .low_bytes = room.limit_bytes / 100 * c->config.room_low_percent,
                                         .drain_bytes = room.drain_bytes,
                                         .open_bytes = open,
                                         .cut_bytes = cut,
                                         .reserve_bytes = room.reserve_bytes,
                                         .drain_begun_bytes = room.drain_bytes,
                                         .again_bytes = again < AW_ROOM_AGAIN_BYTES_MAX ? again : AW_ROOM_AGAIN_BYTES_MAX,
                                         .pushes = aw_lanes_room(c->config.lanes)};
    if (c->lanes_room_most < c->admission.pushes)
        c->lanes_room_most = c->admission.pushes;
    shut_when_low(c);
    if (c->admission.pushes >= pushes_owed(c) + AW_LANES_OPEN_PUSHES)
        set_shut(c, false);
    c->is_shut_for_posts = false;
    c->is_shut_for_drains = false;
    c->is_timer_refused = false;
    c->event_count = 0;
    c->group_records = 0;
    c->group_batches = 0;
    c->group_bytes = 0;
    c->erasure_seq = 0;
    c->group_began = c->config.mono();
    c->group_posts = 0;
    c->is_group_joined = false;
    c->refused_post = false;
    c->must_flush = room.is_broken; /* also when nothing is asked for: that flush says so */
}

/* Whether this group is to be flushed for what is in it, before all that waits is. Each group takes some posts: neither what drains
 * nor newcomers keep them out. */
static bool
is_time_to_flush(const struct aw_committer *c)
{
    aw_ns most = c->flush_ns < AW_FILL_NS_MAX ? c->flush_ns : AW_FILL_NS_MAX;

    if (c->is_group_joined)
        most /= AW_FILL_SHARE;
    return c->group_posts > 0 && c->now < c->contended_until && c->config.mono() - c->group_began >= most;
}

/* The posts that are next, if this group may still take some; NULL: none. */
static struct aw_list *
next_posts(struct aw_committer *c, uint32_t *ret_party)
{
    if (c->is_shut_for_posts || c->group_bytes >= c->config.group_bytes_max)
        return NULL;
    if (!aw_turns_has_fresh(&c->posts) && is_time_to_flush(c))
        return NULL;
    return aw_turns_next(&c->posts, ret_party);
}

/* A turn of one party. False when the batch or the group is full, or no posts are left that it may take. */
static bool
apply_posts(struct aw_committer *c, aw_ms now)
{
    struct aw_submission *submission;
    struct aw_list       *link;
    uint32_t              party, took;
    bool                  is_through;

    link = next_posts(c, &party);
    if (link == NULL)
        return false;
    submission = AW_CONTAINER(link, struct aw_submission, link);
    took = submission->done;
    is_through = apply_entries(c, submission, AW_TURN_POSTS, now);
    took = submission->done - took;
    aw_turns_charge(&c->posts, party, took);
    c->group_posts += took;
    if (is_through)
        finish(c, submission);
    if (took > 0) /* else this batch may be empty, and the group be over: what comes now waits for the next one */
        aw_committer_gather_commands(c);
    c->is_group_joined = c->is_group_joined || aw_turns_has_fresh(&c->posts);
    return is_through || took == AW_TURN_POSTS;
}

/* Fills batches until nothing waits or the group is full. False: broken. */
static bool
fill_group(struct aw_committer *c, aw_ms now)
{
    bool     more = true, timers = true;
    uint32_t party;

    while (more && !group_is_full(c)) {
        struct aw_hash128 digest = aw_state_digest(c->config.state);
        uint32_t          records = c->group_records;

        open_batch(c, now);
        if (timers)
            apply_timers(c, now);
        timers = false;
        while (!aw_list_is_empty(&c->drains) && apply_drain(c, now))
            ;
        while (aw_list_is_empty(&c->drains) && apply_posts(c, now))
            ;
        more = !c->is_shut_for_drains && (!aw_list_is_empty(&c->drains) || next_posts(c, &party) != NULL);
        AW_IMPLIES(more, c->group_records > records); /* an empty batch takes any command (limits.h) */
        if (!close_batch(c, digest, now))
            return false;
    }
    return true;
}

/* Flushes and waits for the engine's word on everything that was submitted. */
static bool
flush_group(struct aw_committer *c)
{
    struct aw_journal_done done;
    uint64_t               reported = c->head.index - c->group_batches;

    if (aw_journal_flush(c->config.journal) != AW_OUTCOME_OK)
        return false;
    while (reported < c->head.index) {
        if (!aw_journal_poll(c->config.journal, &done))
            continue; /* an engine that completes later; the LMDB one never takes this way */
        if (done.outcome != AW_OUTCOME_OK)
            return false;
        if (done.index == reported + 1)
            reported++; /* else it was told before: a report that comes twice stands for no other batch */
    }
    return true;
}

/* The shortest of late: it rises slowly, as most are longer only by what was put into them. */
static void
note_flush(struct aw_committer *c, aw_ns took)
{
    c->flush_ns = c->flush_ns == 0 || took < c->flush_ns ? took : c->flush_ns + (took - c->flush_ns) / 64;
}

static void
tell_flushing(struct aw_committer *c, bool begins)
{
    if (c->config.report.flushing != NULL)
        c->config.report.flushing(c->config.report.user, begins);
}

static bool
make_durable(struct aw_committer *c, aw_ms now)
{
    aw_ns began, took;
    bool  ok;

    aw_upkeep_before_flush(c, now);
    if (!c->must_flush)
        return true;
    tell_flushing(c, true);
    began = c->config.mono();
    ok = flush_group(c);
    tell_flushing(c, false);
    took = c->config.mono() - began;
    if (c->group_batches > 0) /* else it may have had nothing to write */
        note_flush(c, took);
    if (ok && c->group_batches > 0 && c->config.report.group != NULL)
        c->config.report.group(c->config.report.user, took, c->group_records, c->group_batches);
    if (ok && c->erasure_seq != 0 && c->config.report.erasure != NULL)
        c->config.report.erasure(c->config.report.user, c->erasure_seq);
    return ok;
}

static void
fail_posts(struct aw_committer *c)
{
    struct aw_list *link;
    uint32_t        party;

    while ((link = aw_turns_next(&c->posts, &party)) != NULL) {
        struct aw_submission *submission = AW_CONTAINER(link, struct aw_submission, link);

        aw_list_remove(link);
        submission->err = AW_E_STORE_BROKEN;
        aw_committer_give_back(c, submission);
    }
}

static void
fail_list(struct aw_committer *c, struct aw_list *list)
{
    struct aw_list *link;

    while ((link = aw_list_first(list)) != NULL) {
        struct aw_submission *submission = AW_CONTAINER(link, struct aw_submission, link);

        aw_list_remove(link);
        submission->err = AW_E_STORE_BROKEN;
        aw_committer_give_back(c, submission);
    }
}

/* Who waits for work is told now: nothing will ever wake it. */
static void
fail_parked(struct aw_committer *c)
{
    struct aw_submission *pull;

    while ((pull = aw_parking_take_any(&c->parking)) != NULL) {
        pull->err = AW_E_STORE_BROKEN;
        pull->park.end = AW_PARK_CANCELLED;
        aw_committer_give_back(c, pull);
    }
}

static size_t
fail_all(struct aw_committer *c)
{
    uint64_t held = c->held;

    fail_list(c, &c->done);
    fail_list(c, &c->drains);
    fail_posts(c);
    fail_list(c, &c->watches);
    fail_list(c, &c->followers);
    fail_list(c, &c->gateways);
    fail_parked(c);
    return held - c->held;
}

static size_t
give_back_done(struct aw_committer *c)
{
    struct aw_list *link;
    size_t          given = 0;

    while ((link = aw_list_first(&c->done)) != NULL) {
        struct aw_submission *submission = AW_CONTAINER(link, struct aw_submission, link);

        aw_list_remove(link);
        if (submission->pull != NULL)
            aw_side_came_back(c, submission->pull);
        aw_committer_give_back(c, submission);
        given++;
    }
    return given;
}

/* Whether a full store has clearly more room than the posts needed that it refused. */
static bool
has_room_again(const struct aw_committer *c)
{
    uint64_t needed = c->refused_bytes + c->admission.again_bytes;

    return c->admission.posts_bytes >= needed && c->admission.spare_bytes >= needed;
}

static void
tell_role(struct aw_committer *c)
{
    if (c->role != AW_ROLE_ACTIVE && c->role != AW_ROLE_FULL)
        return;
    if (c->refused_post) {
        aw_committer_set_role(c, AW_ROLE_FULL);
    } else if (c->role == AW_ROLE_FULL && has_room_again(c)) {
        c->refused_bytes = 0;
        aw_committer_set_role(c, AW_ROLE_ACTIVE);
    }
}

size_t
aw_group_commit(struct aw_committer *c, aw_ms now)
{
    size_t work;

    if (c->role == AW_ROLE_BROKEN)
        return fail_all(c);
    begin_group(c);
    if (!fill_group(c, now) || !make_durable(c, now)) {
        become_broken(c);
        return fail_all(c);
    }
    aw_publish_events(c);
    work = c->group_records + give_back_done(c);
    tell_role(c);
    aw_upkeep_after_flush(c);
    return work;
}

enum aw_err
aw_group_commit_own(struct aw_committer *c, struct aw_entry *entries, uint32_t count, aw_ms now)
{
    struct aw_hash128 digest = aw_state_digest(c->config.state);

    begin_group(c);
    open_batch(c, now);
    for (uint32_t i = 0; i < count; i++) {
        if (!apply_one(c, &entries[i], now)) /* the batch is empty, and these are few and small: it is the store */
            return c->must_flush ? AW_E_STORE_BROKEN : AW_E_STORE_FULL;
        if (entries[i].command.out.err != AW_OK)
            return entries[i].command.out.err;
    }
    if (!close_batch(c, digest, now) || !make_durable(c, now)) {
        become_broken(c);
        return AW_E_STORE_BROKEN;
    }
    aw_publish_events(c);
    return AW_OK;
}
