/* api_pull.c - an agent takes the most urgent tickets, or waits for one.
 *
 *            +-------------------- nothing there ------------------+
 *            v                                                     |
 *   look -> take -> lease -> read -> answer      take: from the lanes, without asking anybody
 *    ^       |  \                                lease: the committer's word, which alone counts
 *    |       |   +- nothing, time is up -> 204   read: the messages
 *  woken <- park
 *
 * A pull with an Idempotency-Key looks first whether leases run that were given to an earlier one with its key, and gets these. Two
 * at the same time: the committer gives leases to one of them alone, and the other looks again.
 *
 * A pull that names no lanes goes by those that its agent is set to, as they are each time that it looks. While it waits, the
 * committer sends it back when its agent is set anew.
 *
 * Whoever leaves on the way gives back what it has: an entry taken from the lanes, a wake that was meant for somebody, a lease
 * that was granted, and a lease whose answer did not leave.
 */
#include "base/log.h"
#include "commit/choice.h"
#include "port/clock.h"
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/lease_view.h"

#include <stdlib.h>
#include <string.h>

/* Room for the messages of a lease, at a guess; more is brought when it is not enough. */
#define THREAD_BYTES 2048U
/* A long poll ends up to this part earlier, so that a thousand agents do not come back together. */
#define JITTER_PERCENT 10U

enum pull_step { PULL_ASK, PULL_LEASE, PULL_PARK, PULL_READ, PULL_GIVE_BACK };

struct pull {
    struct aw_call           call;
    enum pull_step           step;
    enum aw_media            media;
    struct aw_slice          agent;
    struct aw_pull_request   want;
    struct aw_pull_key       key;   /* key 0: no Idempotency-Key */
    const uint32_t          *lanes; /* NULL: all */
    uint32_t                 lane_count;
    uint32_t                *agent_lanes; /* room for agent_lanes_room: those of the agent, when the pull names none */
    uint32_t                 agent_lanes_room;
    uint64_t                 stamp; /* of the agent's settings that it goes by; 0: it was never set */
    bool                     is_gentle;
    struct aw_units          units; /* that the agent has free for what this pull takes further */
    bool                     time_is_up;
    bool                     asked_aside; /* for a ticket that waits aside, since it was last woken for one */
    bool                     cancelling;
    bool                     is_shut_out; /* the lanes are shut: it is answered so when its submission is back */
    bool                     is_repeat;   /* the leases are those of `query`, given before; else those of `entries` */
    struct aw_order_settings order;       /* a copy: the committer compares by it while the io thread's may change */
    struct aw_submission     submission;  /* the leases, or their release */
    struct aw_submission     park;
    struct aw_submission     cancel;
    struct aw_query          query;
    struct aw_entry         *entries;
    uint32_t                 granted;
    struct aw_read          *read;
    enum aw_err              failure; /* why granted leases go back, for the answer */
    bool                     answered_with_leases;
};

/* --- whose lanes -------------------------------------------------------------------------------------------------------------- */

/* Places in `count` lists, or in the one of those that serve all lanes. NULL: no memory. */
static struct aw_park_node *
make_nodes(struct aw_arena *arena, uint32_t count)
{
    struct aw_park_node *nodes = aw_arena_take_zeroed(arena, count > 0 ? count : 1, sizeof(*nodes));

    for (uint32_t i = 0; nodes != NULL && i < (count > 0 ? count : 1); i++)
        aw_list_init(&nodes[i].link);
    return nodes;
}

static void
tell_park(struct pull *pull)
{
    struct aw_park *park = &pull->park.park;

    park->lanes = pull->lanes;
    park->lane_count = pull->lane_count;
    park->stamp = pull->stamp;
}

/* Room for the agent's lanes, and for the places of one who waits for them. False: no memory. */
static bool
make_room(struct pull *pull, uint32_t lane_count)
{
    struct aw_arena *arena = aw_call_arena(&pull->call);
    bool             is_parked = pull->park.park.nodes != NULL;

    if (lane_count <= pull->agent_lanes_room)
        return true;
    /* Twice as many at least, so that what is left behind stays bounded however often the agent is set. */
    if (lane_count < 2 * pull->agent_lanes_room)
        lane_count = 2 * pull->agent_lanes_room;
    pull->agent_lanes = aw_arena_take(arena, lane_count * sizeof(pull->agent_lanes[0]));
    pull->agent_lanes_room = pull->agent_lanes == NULL ? 0 : lane_count;
    if (is_parked)
        pull->park.park.nodes = make_nodes(arena, lane_count);
    return pull->agent_lanes != NULL && (!is_parked || pull->park.park.nodes != NULL);
}

/* Looks what the agent is set to by now. Nothing is out. False: no memory. */
static bool
renew(struct pull *pull)
{
    struct aw_agents_row           *row = aw_agents_directory_find(pull->call.io->shared->agents, pull->agent);
    const struct aw_agent_settings *settings = aw_agents_row_settings(row);
    uint32_t                        count = settings == NULL || pull->want.lane_count > 0 ? 0 : settings->lane_count;

    aw_agents_row_units(row, &pull->units);
    if (pull->stamp == (settings == NULL ? 0 : settings->stamp))
        return true;
    if (!make_room(pull, count))
        return false;
    if (pull->want.lane_count == 0) {
        for (uint32_t i = 0; i < count; i++)
            pull->agent_lanes[i] = settings->lanes[i];
        pull->lanes = count > 0 ? pull->agent_lanes : NULL;
        pull->lane_count = count;
    }
    AW_ASSERT(settings != NULL); /* what was set once stays so */
    pull->is_gentle = settings->is_gentle;
    pull->stamp = settings->stamp;
    tell_park(pull);
    return true;
}

/* --- taking ------------------------------------------------------------------------------------------------------------------- */

/* An entry of a ticket. Those of one lane, up to three, go back together: they are one choice. False: entries of as many lanes are
 * noted already as it can wait in. */
static bool
note_queue(struct pull *pull, struct aw_in_lease *lease, const struct aw_head *head)
{
    uint32_t at = 0;

    while (at < lease->taken_count && lease->taken_from[at].lane != head->lane)
        at++;
    if (at == AW_TICKET_LANES_MAX)
        return false;
    if (at == lease->taken_count) {
        lease->taken_from[lease->taken_count++] = (struct aw_lane_queues){.lane = (uint16_t)head->lane};
        pull->submission.choices++;
    }
    lease->taken_from[at].queues |= (uint8_t)(1U << head->queue);
    return true;
}

/* Whether this is another entry of a ticket that this pull asks for already; if that is refused, all go back. Entries that
 * its lane's list left behind, when that changed so often that its turn came round, may be of more lanes than are noted. Such a one
 * is a choice of its own: stale when the ticket is granted for the others, and back in its queue like any when it is not. */
static bool
note_taken(struct pull *pull, const struct aw_head *head)
{
    for (uint32_t i = 0; i < pull->submission.count; i++) {
        struct aw_in_lease *lease = &pull->entries[i].command.in.lease;

        if (lease->slot == head->slot && lease->version == head->version && note_queue(pull, lease, head))
            return true;
    }
    return false;
}

static void
add_choice(struct pull *pull, const struct aw_choice *choice)
{
    pull->entries[pull->submission.count++].command =
        (struct aw_command){.kind = AW_COMMAND_LEASE,
                            .in.lease = {.slot = choice->head.slot,
                                         .version = choice->head.version,
                                         .through = choice->head.lane + 1,
                                         .agent = pull->agent,
                                         .lease_ms = pull->want.lease_s * AW_MS_PER_S,
                                         .pull_key = pull->key,
                                         .choice = {.at = pull->call.io->wall,
                                                    .order = pull->call.io->order,
                                                    .seen_seq = choice->seen_seq,
                                                    .taken_seq = choice->taken_seq,
                                                    .queue = (uint8_t)choice->head.queue,
                                                    .full = aw_units_full(&pull->units),
                                                    .lanes = pull->lanes,
                                                    .lane_count = pull->lane_count,
                                                    .taken_at = aw_clock_mono()}}};
    if (choice->head.queue != AW_CHOICE_ASIDE)
        (void)note_queue(pull, &pull->entries[pull->submission.count - 1].command.in.lease, &choice->head); /* the first fits */
}

/* Some tickets wait in no queue, as not every agent may take them: only the committer knows which this one may. It fills in empty
 * choices. Asked once: when it had none, it wakes the parked pull when it has. `seen_seq`: published before it was found that the
 * queues have no more. */
static void
ask_aside(struct pull *pull, uint64_t seen_seq)
{
    const struct aw_shared *shared = pull->call.io->shared;
    uint32_t                room = pull->want.max - pull->submission.count;
    uint32_t                asides = aw_lanes_directory_asides(shared->directory, pull->is_gentle);
    struct aw_choice        none = {.head.queue = AW_CHOICE_ASIDE, .seen_seq = seen_seq};

    if (asides == 0 || room == 0 || pull->asked_aside)
        return;
    none.taken_seq = aw_lanes_published(shared->lanes);
    pull->asked_aside = true;
    for (uint32_t i = 0; i < room && i < asides; i++)
        add_choice(pull, &none);
}

/* Whether one more ticket may be taken for this pull. False also when the lanes are shut. */
static bool
has_place(struct pull *pull)
{
    const struct aw_io *io = pull->call.io;

    pull->is_shut_out = aw_lanes_is_shut(io->shared->lanes);
    return !pull->is_shut_out && pull->submission.count < pull->want.max &&
           io->choices_out + pull->submission.choices < AW_IO_CHOICES_MAX;
}

/* The most urgent ticket, if there is a place and one waits; *ret_is_dry when none does. */
static bool
take_one(struct pull *pull, struct aw_choice *ret_choice, bool *ret_is_dry)
{
    const struct aw_io       *io = pull->call.io;
    const struct aw_shared   *shared = io->shared;
    const struct aw_choice_of of = {.lanes = shared->lanes,
                                    .directory = shared->directory,
                                    .lane_list = pull->lanes,
                                    .lane_count = pull->lane_count,
                                    .full = aw_units_full(&pull->units),
                                    .order = &io->order};

    while (has_place(pull)) {
        *ret_is_dry = !aw_choice_take(&of, io->wall, ret_choice);
        if (*ret_is_dry || !note_taken(pull, &ret_choice->head))
            return !*ret_is_dry;
    }
    return false;
}

/* Takes up to `max` tickets and asks for their leases. False: there was nothing. Without a place for any it asks for none, and is
 * back with the next answers, whether those made a place or it is to be refused. */
static bool
take(struct pull *pull)
{
    struct aw_submission *submission = &pull->submission;
    struct aw_choice      choice;
    uint64_t              seen_seq = 0;
    bool                  is_dry = false;

    *submission = (struct aw_submission){.count = 0};
    for (;;) {
        seen_seq = aw_lanes_published(pull->call.io->shared->lanes);
        if (!take_one(pull, &choice, &is_dry))
            break;
        add_choice(pull, &choice);
        aw_units_take(&pull->units, choice.head.shelf);
    }
    pull->is_shut_out &= submission->count == 0;
    if (is_dry) /* what is aside is compared with what was taken, not with what is still there */
        ask_aside(pull, seen_seq);
    if (is_dry && submission->count == 0)
        return false;
    submission->kind = AW_SUBMIT_COMMANDS;
    submission->entries = pull->entries;
    submission->pull = &pull->park.park;
    pull->order = pull->call.io->order;
    submission->woken_lane = pull->park.park.woken_lane; /* the wake has done its work with this */
    pull->park.park.woken_lane = AW_LANE_NONE;
    pull->step = PULL_LEASE;
    aw_call_submit(&pull->call, submission);
    return true;
}

/* --- waiting ------------------------------------------------------------------------------------------------------------------ */

static bool
make_park(struct pull *pull)
{
    uint32_t nodes = pull->want.lane_count > 0 ? pull->lane_count : pull->agent_lanes_room;

    pull->park = (struct aw_submission){
        .kind = AW_SUBMIT_PARK,
        .park = {.agent = pull->agent, .order = &pull->order, .key = pull->key, .woken_lane = AW_LANE_NONE}};
    tell_park(pull);
    pull->park.park.nodes = make_nodes(aw_call_arena(&pull->call), nodes);
    return pull->park.park.nodes != NULL;
}

static void
park(struct pull *pull, bool leaving)
{
    pull->step = PULL_PARK;
    pull->order = pull->call.io->order;
    pull->park.park.leaving = leaving;
    aw_call_submit(&pull->call, &pull->park);
}

static void
first_park(struct pull *pull)
{
    struct aw_call *call = &pull->call;
    aw_ns           wait = pull->want.wait_s * AW_NS_PER_S;

    if (pull->want.wait_s == 0 || call->io->draining) {
        aw_metric_add(call->io->metrics, AW_METRIC_PULLS_EMPTY, 1);
        aw_call_answer_empty(call, 204);
        return;
    }
    if (!aw_request_try_park(call->request)) {
        aw_call_fail(call, AW_E_TOO_MANY, "half of this connection's streams wait already; open another connection");
        return;
    }
    if (!make_park(pull)) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return;
    }
    wait -= wait * (call->io->now / 1024 % (JITTER_PERCENT + 1)) / 100;
    aw_call_wait(call, call->io->now + wait);
    park(pull, false);
}

static void
cancel_park(struct pull *pull)
{
    if (pull->step != PULL_PARK || pull->cancelling)
        return;
    pull->cancelling = true;
    pull->cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .target = &pull->park};
    aw_call_submit(&pull->call, &pull->cancel);
}

/* Looks for leases that an earlier pull with this key was given. */
static void
ask(struct pull *pull)
{
    AW_IMPLIES(pull->park.kind == AW_SUBMIT_PARK, pull->park.park.woken_lane == AW_LANE_NONE); /* a wake must go on, not wait */
    pull->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &pull->query};
    pull->step = PULL_ASK;
    aw_call_submit(&pull->call, &pull->submission);
}

/* No memory. A wake that it was given goes on to somebody else. */
static void
give_up(struct pull *pull)
{
    const struct aw_park *wait = &pull->park.park;

    if (wait->woken_lane != AW_LANE_NONE || wait->offered_slot != 0)
        park(pull, true);
    else
        aw_call_fail(&pull->call, AW_E_MEMORY, "");
}

static void take_or_park(struct pull *pull);

static void
on_parked(struct pull *pull)
{
    struct aw_call *call = &pull->call;

    pull->cancelling = false;
    if (pull->park.err != AW_OK) {
        aw_call_fail(call, pull->park.err, "");
        return;
    }
    if (pull->park.park.end == AW_PARK_CANCELLED) {
        aw_metric_add(call->io->metrics, AW_METRIC_PULLS_EMPTY, 1);
        aw_call_answer_empty(call, 204);
        return;
    }
    if (pull->park.park.end == AW_PARK_AGAIN) {
        take_or_park(pull);
        return;
    }
    if (pull->park.park.offered_slot != 0)
        pull->asked_aside = false;
    else if (pull->park.park.woken_lane == AW_LANE_NONE) {
        ask(pull); /* not for a ticket: another pull with this key was given leases */
        return;
    }
    if (!renew(pull))
        give_up(pull);
    else if (!take(pull)) {
        aw_metric_add(call->io->metrics, AW_METRIC_WOKEN_IN_VAIN, 1);
        park(pull, pull->time_is_up || call->io->draining);
    }
}

/* Takes what there is, or goes (back) to waiting. */
static void
take_or_park(struct pull *pull)
{
    if (!renew(pull)) {
        give_up(pull);
        return;
    }
    if (take(pull))
        return;
    if (pull->park.kind == AW_SUBMIT_PARK)
        park(pull, pull->time_is_up || pull->call.io->draining);
    else
        first_park(pull);
}

/* --- leases ------------------------------------------------------------------------------------------------------------------- */

static enum aw_err
make_views(struct pull *pull, struct aw_lease_answer **ret_leases)
{
    const struct aw_shared *shared = pull->call.io->shared;
    struct aw_arena        *arena = aw_call_arena(&pull->call);
    struct aw_lease_answer *leases = aw_arena_take(arena, pull->granted * sizeof(leases[0]));
    struct aw_lease_text   *texts = aw_arena_take(arena, pull->granted * sizeof(texts[0]));

    if (leases == NULL || texts == NULL)
        return AW_E_MEMORY;
    for (uint32_t i = 0; i < pull->granted; i++) {
        if (pull->read->items[i].err != AW_OK)
            return pull->read->items[i].err;
        if (pull->is_repeat)
            aw_lease_view_of_ticket(&leases[i], &texts[i], &pull->query.views[i], &shared->token_key, pull->call.io->wall);
        else
            aw_lease_view_of_outcome(&leases[i], &texts[i], &pull->entries[i].command.out.u.lease, &shared->token_key,
                                     pull->call.io->wall);
        aw_lease_view_fill(&leases[i], &pull->read->items[i]);
        if (!aw_view_add_help(arena, shared->directory,
                              pull->is_repeat ? &pull->query.views[i].help : &pull->entries[i].command.out.u.lease.help,
                              &leases[i].reasons, &leases[i].reason_count))
            return AW_E_MEMORY;
    }
    *ret_leases = leases;
    return AW_OK;
}

static enum aw_err
write_leases(struct pull *pull, struct aw_buffer *buffer)
{
    struct aw_lease_answer *leases;
    struct aw_writer        writer;
    enum aw_err             err = make_views(pull, &leases);

    if (err != AW_OK)
        return err;
    aw_writer_init(&writer, buffer, pull->media);
    if (!aw_proto_write_leases(&writer, leases, pull->granted))
        return AW_E_CORRUPT;
    return buffer->failed ? AW_E_MEMORY : AW_OK;
}

static bool
read_messages(struct pull *pull)
{
    pull->read = aw_api_read_new(&pull->call, pull->granted, (size_t)pull->granted * THREAD_BYTES);
    if (pull->read == NULL)
        return false;
    for (uint32_t i = 0; i < pull->granted; i++) {
        uint64_t last = pull->is_repeat ? pull->query.views[i].last_seq : pull->entries[i].command.out.u.lease.last_seq;
        uint64_t ticket = pull->is_repeat ? pull->query.views[i].ticket.seq : pull->entries[i].command.out.u.lease.ticket.seq;

        pull->read->items[i] = (struct aw_read_item){.kind = AW_READ_THREAD,
                                                     .last_seq = last,
                                                     .ticket_seq = ticket,
                                                     .messages_max = AW_LEASE_MESSAGES_MAX,
                                                     .is_open = true};
    }
    pull->step = PULL_READ;
    aw_call_read(&pull->call, pull->read);
    return true;
}

/* Turns the granted leases into releases and submits them. */
static void
give_back(struct pull *pull)
{
    struct aw_submission *submission = &pull->submission;

    for (uint32_t i = 0; i < pull->granted; i++) {
        struct aw_command *command = &pull->entries[i].command;
        struct aw_lease_id lease = command->out.u.lease.lease;

        *command = (struct aw_command){
            .kind = AW_COMMAND_RELEASE,
            .in.fenced = {.lease = lease, .agent = pull->agent, .words = AW_SLICE("client gone"), .gives_back = true}};
    }
    aw_metric_add(pull->call.io->metrics, AW_METRIC_LEASES_GIVEN_BACK, pull->granted);
    submission->count = pull->granted;
    submission->pull = NULL;
    submission->woken_lane = AW_LANE_NONE;
    pull->granted = 0;
    pull->step = PULL_GIVE_BACK;
    aw_call_submit(&pull->call, submission);
}

static void
answer_failure(struct pull *pull)
{
    enum aw_err err = pull->failure == AW_E_MEMORY ? AW_E_MEMORY : AW_E_INTERNAL;

    aw_call_fail(&pull->call, err, err == AW_E_INTERNAL ? "a stored message cannot be read" : "");
}

/* Without its messages an agent could do nothing with a lease: what was granted goes back first. */
static void
refuse_leases(struct pull *pull, enum aw_err err)
{
    pull->failure = err;
    if (!pull->is_repeat && pull->granted > 0)
        give_back(pull);
    else
        answer_failure(pull);
}

/* An agent is told that something can't be read; whoever runs the server must hear of it too. */
static void
tell_of_damage(struct pull *pull)
{
    for (uint32_t i = 0; i < pull->granted; i++) {
        const struct aw_read_item *item = &pull->read->items[i];

        for (uint32_t at = 0; at < item->message_count; at++) {
            if (!item->messages[at].unreadable)
                continue;
            aw_metric_add(pull->call.io->metrics, AW_METRIC_UNREADABLE, 1);
            aw_log(AW_LOG_ERROR, "a ticket was given out with a message that is damaged; see aswolk journal --verify",
                   aw_log_num("ticket_seq", item->ticket_seq), aw_log_num("seq", item->messages[at].id.seq));
        }
    }
}

static void
answer_leases(struct pull *pull)
{
    struct aw_buffer buffer;
    enum aw_err      err;

    aw_buffer_init(&buffer, aw_call_arena(&pull->call));
    err = write_leases(pull, &buffer);
    if (err != AW_OK) {
        refuse_leases(pull, err);
        return;
    }
    pull->answered_with_leases = !pull->is_repeat;
    if (pull->answered_with_leases)
        tell_of_damage(pull);
    aw_call_answer(&pull->call, 200, pull->media, &buffer, NULL, 0);
}

/* Moves what was granted to the front; with anything granted all is well. Returns the first error that is not about a single
 * choice. */
static enum aw_err
sort_granted(struct pull *pull)
{
    enum aw_err err = pull->submission.err;

    pull->granted = 0;
    for (uint32_t i = 0; pull->submission.err == AW_OK && i < pull->submission.count; i++) {
        const struct aw_outcome_of *out = &pull->entries[i].command.out;

        if (out->err == AW_OK)
            pull->entries[pull->granted++] = pull->entries[i];
        else if (out->err == AW_E_STALE && pull->entries[i].command.in.lease.slot == 0)
            continue; /* an empty choice, and nothing to fill it with */
        else if (out->err == AW_E_STALE)
            aw_metric_add(pull->call.io->metrics, AW_METRIC_STALE_CHOICES, 1);
        else if (err == AW_OK)
            err = out->err;
    }
    return pull->granted > 0 ? AW_OK : err;
}

static void
refuse_pull(struct pull *pull, enum aw_err err)
{
    aw_call_fail(&pull->call, err,
                 err == AW_E_TABLE_FULL   ? "the table of leases or agents is at its limit"
                 : err == AW_E_KEY_REUSED ? "a lease runs that was given to a pull with this idempotency-key and another body"
                                          : "");
}

static void
on_leased(struct pull *pull)
{
    enum aw_err err = sort_granted(pull);

    if (err == AW_E_AGAIN) {
        ask(pull);
        return;
    }
    if (err != AW_OK) {
        refuse_pull(pull, err);
        return;
    }
    if (pull->is_shut_out) {
        aw_call_fail(&pull->call, AW_E_OVERLOADED, "no ticket is given out for now: a thread of the server is stopped");
        return;
    }
    if (pull->granted == 0) { /* all choices were stale: the tickets went elsewhere */
        take_or_park(pull);
        return;
    }
    aw_metric_add(pull->call.io->metrics, AW_METRIC_LEASES_GRANTED, pull->granted);
    if (read_messages(pull))
        return;
    refuse_leases(pull, AW_E_MEMORY);
}

/* --- the call ----------------------------------------------------------------------------------------------------------------- */

static void
on_asked(struct pull *pull)
{
    if (pull->submission.err != AW_OK || pull->query.err != AW_OK) {
        refuse_pull(pull, pull->submission.err != AW_OK ? pull->submission.err : pull->query.err);
        return;
    }
    pull->granted = pull->query.count;
    pull->is_repeat = pull->granted > 0;
    if (pull->is_repeat) {
        if (!read_messages(pull))
            aw_call_fail(&pull->call, AW_E_MEMORY, "");
        return;
    }
    take_or_park(pull);
}

static void
on_back(struct aw_call *call)
{
    struct pull *pull = (struct pull *)call;
    bool         failed;

    switch (pull->step) {
    case PULL_ASK:
        on_asked(pull);
        return;
    case PULL_LEASE:
        on_leased(pull);
        return;
    case PULL_PARK:
        on_parked(pull);
        return;
    case PULL_READ:
        if (aw_api_read_again(call, pull->read, &failed))
            return;
        if (failed)
            refuse_leases(pull, AW_E_MEMORY);
        else
            answer_leases(pull);
        return;
    case PULL_GIVE_BACK:
        answer_failure(pull);
        return;
    }
    AW_UNREACHABLE();
}

/* The client left. What it has goes back; true while something is under way. */
static bool
on_gone(struct aw_call *call)
{
    struct pull *pull = (struct pull *)call;

    switch (pull->step) {
    case PULL_ASK:
    case PULL_GIVE_BACK:
        return false;
    case PULL_LEASE:
        if (sort_granted(pull) != AW_OK || pull->granted == 0)
            return false;
        give_back(pull);
        return true;
    case PULL_PARK:
        if (pull->park.park.woken_lane == AW_LANE_NONE && pull->park.park.offered_slot == 0)
            return false;
        park(pull, true);
        return true;
    case PULL_READ:
        if (pull->is_repeat || pull->granted == 0)
            return false; /* a repeat: the first answer may have arrived */
        give_back(pull);
        return true;
    }
    AW_UNREACHABLE();
}

static void
on_leave(struct aw_call *call)
{
    cancel_park((struct pull *)call);
}

static void
on_time(struct aw_call *call)
{
    struct pull *pull = (struct pull *)call;

    pull->time_is_up = true;
    cancel_park(pull);
}

/* The answer did not leave, and the memory of the request is about to go: what remains to be done lives by itself. */
static void
on_sent(struct aw_call *call, bool delivered)
{
    struct pull      *pull = (struct pull *)call;
    struct aw_errand *errand;

    if (delivered || !pull->answered_with_leases)
        return;
    errand = aw_errand_new(pull->granted, pull->agent);
    if (errand == NULL)
        return; /* no memory: the leases run out by themselves, which is what they are for */
    for (uint32_t i = 0; i < pull->granted; i++)
        errand->entries[i].command = (struct aw_command){.kind = AW_COMMAND_RELEASE,
                                                         .in.fenced = {.lease = pull->entries[i].command.out.u.lease.lease,
                                                                       .agent = errand->agent,
                                                                       .words = AW_SLICE("answer not delivered"),
                                                                       .gives_back = true}};
    aw_metric_add(call->io->metrics, AW_METRIC_LEASES_GIVEN_BACK, pull->granted);
    aw_errand_send(call->io, errand);
}

static const struct aw_call_ops pull_ops = {
    .on_back = on_back, .on_gone = on_gone, .on_leave = on_leave, .on_sent = on_sent, .on_time = on_time};

/* With an Idempotency-Key the same pull gets the same leases, as long as they run. False: answered. */
static bool
make_key(struct pull *pull)
{
    struct aw_arena *arena = aw_call_arena(&pull->call);
    struct aw_once   once;

    if (!aw_api_once(&pull->call, pull->agent, &once))
        return false;
    if (!aw_once_is_set(&once))
        return true;
    pull->key = (struct aw_pull_key){.key = once.key.low | 1, .request = (uint32_t)(once.request ^ once.request >> 32)};
    pull->query = (struct aw_query){.kind = AW_QUERY_PULL,
                                    .name = pull->agent,
                                    .pull_key = pull->key,
                                    .room = AW_LEASES_PER_PULL_MAX,
                                    .views = aw_arena_take(arena, AW_LEASES_PER_PULL_MAX * sizeof(struct aw_ticket_view))};
    if (pull->query.views != NULL && aw_random(&pull->key.pull, sizeof(pull->key.pull)))
        return true;
    aw_call_fail(&pull->call, AW_E_MEMORY, "");
    return false;
}

void
aw_api_pull(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct pull            *pull = aw_call_new(io, request, &pull_ops, sizeof(*pull));
    struct aw_proto_problem problem;
    enum aw_media           media;

    (void)id;
    if (pull == NULL || !aw_api_agent(&pull->call, &pull->agent) || !aw_api_media(&pull->call, false, &media) ||
        !aw_call_negotiate(&pull->call, false, &pull->media))
        return;
    if (aw_proto_decode_pull(&request->arena, media, request->body, &pull->want, &problem) != AW_OK) {
        aw_api_refuse_body(&pull->call, &problem);
        return;
    }
    if (!aw_api_find_lanes(&pull->call, pull->want.lanes, pull->want.lane_count, &pull->lanes, &pull->lane_count) ||
        !make_key(pull))
        return;
    pull->entries = aw_arena_take_zeroed(&request->arena, pull->want.max, sizeof(pull->entries[0]));
    if (pull->entries == NULL) {
        aw_call_fail(&pull->call, AW_E_MEMORY, "");
        return;
    }
    pull->park.park = (struct aw_park){.agent = pull->agent,
                                       .order = &pull->order,
                                       .lanes = pull->lanes,
                                       .lane_count = pull->lane_count,
                                       .woken_lane = AW_LANE_NONE};
    aw_metric_add(io->metrics, AW_METRIC_PULLS, 1);
    if (pull->key.key != 0)
        ask(pull);
    else
        take_or_park(pull);
}

/* --- GET /v1/leases ----------------------------------------------------------------------------------------------------------- */

/* Leases in one answer; a cursor goes on. */
#define HELD_PER_PAGE 100U

struct held {
    struct pull pull;
    uint64_t    after; /* the last lease of this page, when there is another one; else 0 */
};

static void
answer_held(struct held *held)
{
    struct aw_call         *call = &held->pull.call;
    struct aw_slice         next = {NULL, 0};
    struct aw_lease_answer *leases;
    struct aw_header_field  link;
    struct aw_buffer        buffer;
    struct aw_writer        writer;
    enum aw_err             err = make_views(&held->pull, &leases);

    if (err != AW_OK) {
        held->pull.failure = err;
        answer_failure(&held->pull);
        return;
    }
    if (held->after != 0)
        next = aw_api_next(call, held->after, &link);
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, held->pull.media);
    buffer.failed |= held->after != 0 && next.len == 0;
    if (aw_proto_write_held(&writer, leases, held->pull.granted, next))
        aw_call_answer(call, 200, held->pull.media, &buffer, &link, held->after != 0);
    else
        aw_call_fail(call, AW_E_INTERNAL, "a stored message is damaged");
}

static void
on_held(struct aw_call *call)
{
    struct held *held = (struct held *)call;
    struct pull *pull = &held->pull;
    bool         failed;

    if (pull->step == PULL_ASK) {
        enum aw_err err = pull->submission.err != AW_OK ? pull->submission.err : pull->query.err;

        pull->granted = pull->query.count;
        if (pull->granted > HELD_PER_PAGE) { /* one more than is shown was asked for: there is another page */
            pull->granted = HELD_PER_PAGE;
            held->after = pull->query.views[HELD_PER_PAGE - 1].lease.fence;
        }
        if (err != AW_OK || !read_messages(pull))
            aw_call_fail(call, err != AW_OK ? err : AW_E_MEMORY, "");
        return;
    }
    if (aw_api_read_again(call, pull->read, &failed))
        return;
    if (failed)
        aw_call_fail(call, AW_E_MEMORY, "");
    else
        answer_held(held);
}

static const struct aw_call_ops held_ops = {.on_back = on_held};

void
aw_api_held(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct held *held = aw_call_new(io, request, &held_ops, sizeof(*held));
    struct pull *pull = &held->pull;
    uint64_t     after;

    (void)id;
    if (held == NULL || !aw_api_agent(&pull->call, &pull->agent) || !aw_call_negotiate(&pull->call, false, &pull->media) ||
        !aw_api_cursor(&pull->call, &after))
        return;
    pull->is_repeat = true;
    pull->query = (struct aw_query){.kind = AW_QUERY_LEASES_OF,
                                    .name = pull->agent,
                                    .above_fence = after,
                                    .room = HELD_PER_PAGE + 1,
                                    .views = aw_arena_take(&request->arena, (HELD_PER_PAGE + 1) * sizeof(struct aw_ticket_view))};
    if (pull->query.views == NULL)
        aw_call_fail(&pull->call, AW_E_MEMORY, "");
    else
        ask(pull);
}
