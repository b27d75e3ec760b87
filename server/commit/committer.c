/* committer.c - the committer's life: mailboxes, the step, who is woken. */
#include "commit/committer.h"

#include "base/mem.h"
#include "commit/parts.h"

#include <stdlib.h>

/* Taken from one mailbox before the next is looked at, so that one busy io thread does not starve the others. */
#define POPS_PER_MAILBOX 1024U

/* A timer that found no room even in the reserve waits this long: trying at once would spin on a full disk. */
#define TIMER_REST_NS (100 * AW_NS_PER_MS)

static const char *const role_names[] = {"starting", "active", "follower", "deposed", "full", "broken"};

const char *
aw_role_name(enum aw_role role)
{
    AW_ASSERT((unsigned)role < AW_ARRAY_LEN(role_names));
    return role_names[role];
}

void
aw_committer_set_role(struct aw_committer *c, enum aw_role role)
{
    if (c->role == role)
        return;
    AW_ASSERT(c->role != AW_ROLE_BROKEN); /* a latch: only an exit ends it */
    c->role = role;
    if (c->config.report.role != NULL)
        c->config.report.role(c->config.report.user, role);
}

static bool
make_mailboxes(struct aw_committer *c)
{
    c->mailboxes = aw_new_array(struct aw_mailbox, c->config.io_count);
    if (c->mailboxes == NULL)
        return false;
    for (uint32_t io = 0; io < c->config.io_count; io++) {
        struct aw_mailbox *box = &c->mailboxes[io];

        if (!aw_ring_init(&box->to, c->config.mailbox_slots, &box->ends_in, &box->out) ||
            !aw_ring_init(&box->back, c->config.mailbox_slots, &box->in, &box->ends_out))
            return false;
    }
    return true;
}

enum aw_err
aw_committer_new(struct aw_committer **ret_committer, const struct aw_committer_config *config, struct aw_why *why)
{
    struct aw_committer *c = aw_new(struct aw_committer);
    enum aw_err          err;

    if (c == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the committer");
    c->config = *config;
    c->lanes_reserve = aw_committer_lanes_reserve(config->leases_max, config->choices_max);
    c->head = config->recovery.head;
    c->role = AW_ROLE_STARTING;
    aw_list_init(&c->drains);
    aw_list_init(&c->arrived);
    aw_list_init(&c->queries);
    aw_list_init(&c->looks);
    aw_list_init(&c->watches);
    aw_list_init(&c->followers);
    aw_list_init(&c->gateways);
    aw_list_init(&c->done);
    err = aw_wake_init(&c->wake, why);
    if (err != AW_OK) {
        free(c);
        return err;
    }
    c->events = aw_new_array(struct aw_event, AW_GROUP_EVENTS_MAX);
    c->side_lanes = aw_new_array(uint64_t, config->lanes_max / 64 + 1);
    c->offer_lanes = aw_new_array(uint64_t, config->lanes_max / 64 + 1);
    c->batch_entries = aw_new_array(struct aw_entry *, AW_BATCH_RECORDS_MAX);
    if (c->events == NULL || c->side_lanes == NULL || c->offer_lanes == NULL || c->batch_entries == NULL || !make_mailboxes(c) ||
        !aw_turns_init(&c->posts, config->parties_max + 1, AW_TURN_POSTS) || !aw_batch_init(&c->batch, config->batch_bytes_max) ||
        !aw_parking_init(&c->parking, config->lanes_max) || !aw_present_init(&c->present, aw_state_agents_max(config->state)) ||
        !aw_trim_init(&c->trim, config->journal)) {
        aw_committer_free(&c);
        return aw_why(why, AW_E_MEMORY, "no memory for the committer");
    }
    *ret_committer = c;
    return AW_OK;
}

void
aw_committer_free(struct aw_committer **committer)
{
    struct aw_committer *c = *committer;

    if (c == NULL)
        return;
    AW_ASSERT(c->held == 0);
    for (uint32_t io = 0; c->mailboxes != NULL && io < c->config.io_count; io++) {
        aw_ring_fini(&c->mailboxes[io].to);
        aw_ring_fini(&c->mailboxes[io].back);
    }
    free(c->mailboxes);
    aw_trim_fini(&c->trim);
    aw_present_fini(&c->present);
    aw_parking_fini(&c->parking);
    aw_batch_fini(&c->batch);
    aw_turns_fini(&c->posts);
    free(c->batch_entries);
    free(c->offer_lanes);
    free(c->side_lanes);
    free(c->events);
    aw_wake_fini(&c->wake);
    free(c);
    *committer = NULL;
}

void
aw_committer_mailbox(struct aw_committer *committer, uint32_t io, struct aw_wake *io_wake, struct aw_ring_in *ret_in,
                     struct aw_ring_out *ret_out)
{
    struct aw_mailbox *box;

    AW_ASSERT(io < committer->config.io_count);
    box = &committer->mailboxes[io];
    box->wake = io_wake;
    *ret_in = box->ends_in;
    *ret_out = box->ends_out;
}

struct aw_wake *
aw_committer_wake(struct aw_committer *committer)
{
    return &committer->wake;
}

void
aw_committer_give_back(struct aw_committer *c, struct aw_submission *submission)
{
    struct aw_mailbox *box;

    AW_ASSERT(submission->io < c->config.io_count);
    AW_ASSERT(c->held > 0);
    box = &c->mailboxes[submission->io];
    /* Never full: it has a slot for every submission that its io thread may have out (mailbox_slots). */
    if (!aw_ring_try_push(&box->in, submission))
        AW_UNREACHABLE();
    box->rouse = true;
    c->held--;
}

static enum aw_err
own_commands(struct aw_committer *c, aw_ms now, struct aw_why *why)
{
    struct aw_entry entries[2] = {
        {.command = {.kind = AW_COMMAND_EPOCH, .in.epoch = {.epoch = c->head.epoch + 1}}},
        {.command = {.kind = AW_COMMAND_SETTINGS, .in.settings = c->config.settings}},
    };
    enum aw_err err = aw_group_commit_own(c, entries, AW_ARRAY_LEN(entries), now);

    if (err != AW_OK)
        return aw_why(why, err, "the epoch record of this start cannot be made durable: %s", aw_err_text(err));
    return AW_OK;
}

enum aw_err
aw_committer_start(struct aw_committer *committer, const struct aw_recovery *recovery, aw_ms wall, aw_ns mono, struct aw_why *why)
{
    struct aw_committer *c = committer;
    bool                 done;
    enum aw_err          err;

    aw_home_enter(&c->home);
    aw_lanes_enter(c->config.lanes);
    c->head = recovery->head;
    aw_record_clock_start(&c->clock, c->head.now, wall, mono);
    /* What a crash left of an unfinished checkpoint goes away piece by piece. */
    if (aw_table_abandon(c->config.table) != AW_OUTCOME_OK || aw_table_drop_step(c->config.table, 1, &done) != AW_OUTCOME_OK)
        return aw_why(why, AW_E_STORE_BROKEN, "the store refuses to drop an unfinished checkpoint");
    c->checkpoint = done ? AW_CHECKPOINT_REST : AW_CHECKPOINT_DROP;
    c->bytes_since_checkpoint = recovery->bytes;
    err = aw_trim_start(c, why);
    if (err != AW_OK)
        return err;
    err = own_commands(c, aw_record_clock_now(&c->clock, wall, mono), why);
    if (err == AW_OK)
        err = aw_publish_load(c, why);
    if (err == AW_OK)
        aw_committer_set_role(c, AW_ROLE_ACTIVE);
    return err;
}

static void
take_posts(struct aw_committer *c, struct aw_submission *submission)
{
    if (submission->party != c->last_party && c->last_party_at != 0 && c->now < c->last_party_at + AW_CONTENDED_MS)
        c->contended_until = c->now + AW_CONTENDED_MS;
    c->last_party = submission->party;
    c->last_party_at = c->now;
    aw_turns_add(&c->posts, submission->party, &submission->link);
}

static void
take_commands(struct aw_committer *c, struct aw_submission *submission)
{
    uint32_t lane = aw_parking_came_back(&c->parking, &submission->woken_lane);

    submission->done = 0;
    submission->none_aside = false;
    submission->err = AW_OK;
    if (submission->count > 0)
        aw_state_prefetch(c->config.state, &submission->entries[0].command);
    if (submission->count == 0)
        aw_list_push_back(&c->done, &submission->link);
    else if (aw_command_is_post(&submission->entries[0].command))
        take_posts(c, submission);
    else
        aw_list_push_back(&c->drains, &submission->link);
    aw_publish_look_at(c, lane);
}

static void
take(struct aw_committer *c, struct aw_submission *submission)
{
    c->held++;
    aw_list_init(&submission->link);
    switch (submission->kind) {
    case AW_SUBMIT_COMMANDS:
        take_commands(c, submission);
        return;
    case AW_SUBMIT_QUERY:
        aw_list_push_back(&c->queries, &submission->link);
        return;
    case AW_SUBMIT_PARK:
        aw_publish_park(c, submission);
        return;
    case AW_SUBMIT_AWAIT:
        aw_outbox_await(c, submission);
        return;
    case AW_SUBMIT_WATCH:
        aw_publish_watch(c, submission);
        return;
    case AW_SUBMIT_FOLLOW:
        aw_publish_follow(c, submission);
        return;
    case AW_SUBMIT_CANCEL:
        aw_publish_cancel(c, submission);
        return;
    }
    AW_UNREACHABLE();
}

static size_t
gather(struct aw_committer *c)
{
    struct aw_list *link;
    size_t          taken = 0;

    for (; (link = aw_list_first(&c->arrived)) != NULL; taken++) {
        aw_list_remove(link);
        take(c, AW_CONTAINER(link, struct aw_submission, link));
    }
    for (uint32_t io = 0; io < c->config.io_count; io++) {
        for (uint32_t i = 0; i < POPS_PER_MAILBOX; i++) {
            struct aw_submission *submission = aw_ring_try_pop(&c->mailboxes[io].out);

            if (submission == NULL)
                break;
            take(c, submission);
            taken++;
        }
    }
    return taken;
}

/* What is no command may look at what is not durable yet, or give it away: it waits for the next step, in its order. */
void
aw_committer_gather_commands(struct aw_committer *c)
{
    for (uint32_t io = 0; io < c->config.io_count; io++) {
        struct aw_submission *submission;

        while ((submission = aw_ring_try_pop(&c->mailboxes[io].out)) != NULL) {
            aw_list_init(&submission->link);
            if (submission->kind == AW_SUBMIT_COMMANDS && submission->woken_lane == AW_LANE_NONE && submission->count > 0)
                take(c, submission);
            else
                aw_list_push_back(&c->arrived, &submission->link);
        }
    }
}

static void
rouse(struct aw_committer *c)
{
    for (uint32_t io = 0; io < c->config.io_count; io++) {
        if (c->mailboxes[io].rouse) {
            c->mailboxes[io].rouse = false;
            aw_wake_up(c->mailboxes[io].wake);
        }
    }
}

size_t
aw_committer_step(struct aw_committer *committer, aw_ms wall, aw_ns mono)
{
    struct aw_committer *c = committer;
    size_t               work;

    AW_ON(c);
    c->now = aw_record_clock_now(&c->clock, wall, mono);
    work = gather(c);
    work += aw_group_commit(c, c->now);
    aw_outbox_look(c);
    work += aw_publish_queries(c, c->now);
    work += aw_publish_looks(c);
    work += aw_publish_shelve(c);
    work += aw_publish_look_for_freed(c);
    work += aw_side_offer_some(c);
    work += aw_lanes_reclaim(c->config.lanes);
    rouse(c);
    return work;
}

/* Monotonic time at which record time will be `due`. A hold may end in the year 9999, which no clock in nanoseconds can say. */
static aw_ns
mono_of(const struct aw_committer *c, aw_ms due, aw_ns mono)
{
    uint64_t wait_ms = due > c->clock._told ? due - c->clock._told : 0;

    return wait_ms < (AW_NS_NEVER - mono) / AW_NS_PER_MS ? mono + wait_ms * AW_NS_PER_MS : AW_NS_NEVER;
}

/* Of two times, 0 being never. */
static aw_ms
earlier(aw_ms a, aw_ms b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a < b ? a : b;
}

static aw_ns
next_due_but_looks(const struct aw_committer *c, aw_ns mono)
{
    aw_ms due = earlier(earlier(aw_state_next_due(c->config.state), aw_trim_next_due(c)), c->await_due);
    aw_ns at = AW_NS_NEVER;

    if (aw_upkeep_is_busy(c) || aw_trim_is_busy(c) || c->is_offering || aw_parking_has_freed(&c->parking))
        return mono;
    if (c->role == AW_ROLE_BROKEN)
        return AW_NS_NEVER;
    if (c->shelving != 0 && !c->is_shelving_short)
        return mono;
    if (c->is_timer_refused || c->is_cut_waiting || c->is_shelving_short || c->is_shut)
        return mono + TIMER_REST_NS;
    if (due != 0)
        at = mono_of(c, due, mono);
    if (c->role == AW_ROLE_FULL && at > mono + AW_ROOM_LOOK_NS)
        at = mono + AW_ROOM_LOOK_NS;
    return at;
}

aw_ns
aw_committer_next_due(const struct aw_committer *committer, aw_ns mono)
{
    aw_ns at = next_due_but_looks(committer, mono);

    if (!aw_list_is_empty(&committer->looks) && at > committer->look_after)
        at = committer->look_after > mono ? committer->look_after : mono;
    return at;
}

bool
aw_committer_is_idle(const struct aw_committer *committer)
{
    return committer->held == 0;
}

enum aw_role
aw_committer_role(const struct aw_committer *committer)
{
    return committer->role;
}

uint64_t
aw_committer_parked(const struct aw_committer *committer)
{
    return aw_parking_count(&committer->parking);
}

const struct aw_journal_head *
aw_committer_head(const struct aw_committer *committer)
{
    return &committer->head;
}
