/* pull.c - see pull.h. */
#include "run/pull.h"

#include "base/log.h"
#include "port/clock.h"
#include "proto/proto.h"
#include "run/access.h"
#include "run/api.h"
#include "run/io.h"
#include "run/lease_view.h"

/* Room for the messages of a lease, at a guess; more is brought when it is not enough. */
#define THREAD_BYTES 2048U

/* --- whose lanes -------------------------------------------------------------------------------------------------------------- */

/* Of the names in the token those that are lanes. An agent that serves none of them would be taken for one that serves all. */
static bool
take_bound(struct aw_pull *pull, const struct aw_token *token)
{
    struct aw_slice *names = aw_arena_take(aw_call_arena(&pull->call), token->lane_count * sizeof(names[0]));
    uint32_t         count = 0;

    if (names == NULL) {
        aw_call_fail(&pull->call, AW_E_MEMORY, "");
        return false;
    }
    for (uint32_t i = 0; i < token->lane_count; i++) {
        if (aw_lanes_directory_find(pull->call.io->shared->directory, token->lanes[i]) != AW_LANE_NONE)
            names[count++] = token->lanes[i];
    }
    if (count > 0)
        return aw_api_find_lanes(&pull->call, names, count, &pull->bound, &pull->bound_count);
    aw_call_fail(&pull->call, AW_E_FORBIDDEN, "none of the lanes that this token is for exists");
    return false;
}

bool
aw_pull_bound(struct aw_pull *pull)
{
    const struct aw_token     *token = aw_access_token(pull->call.request);
    struct aw_lanes_directory *directory = pull->call.io->shared->directory;

    if (token == NULL || token->lane_count == 0)
        return true;
    for (uint32_t i = 0; i < pull->lane_count; i++) {
        if (!aw_access_lane(&pull->call, aw_lanes_directory_name(directory, pull->lanes[i]), "lanes"))
            return false;
    }
    return pull->lane_count > 0 || take_bound(pull, token);
}

void
aw_pull_init(struct aw_pull *pull)
{
    if (pull->bound_count > 0) { /* until it is known what the agent is set to */
        pull->lanes = pull->bound;
        pull->lane_count = pull->bound_count;
    }
    pull->park.park = (struct aw_park){.agent = pull->agent,
                                       .order = &pull->_order,
                                       .lanes = pull->lanes,
                                       .lane_count = pull->lane_count,
                                       .key = pull->key,
                                       .woken_lane = AW_LANE_NONE};
}

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
tell_park(struct aw_pull *pull)
{
    struct aw_park *park = &pull->park.park;

    park->lanes = pull->lanes;
    park->lane_count = pull->lane_count;
    park->stamp = pull->_stamp;
}

/* Room for the agent's lanes, and for the places of one who waits for them. False: no memory. */
static bool
make_room(struct aw_pull *pull, uint32_t lane_count)
{
    struct aw_arena *arena = aw_call_arena_kept(&pull->call);
    bool             has_park = pull->park.park.nodes != NULL;

    if (lane_count <= pull->_agent_lanes_room)
        return true;
    /* Twice as many at least, so that what is left behind stays bounded however often the agent is set. */
    if (lane_count < 2 * pull->_agent_lanes_room)
        lane_count = 2 * pull->_agent_lanes_room;
    pull->_agent_lanes = aw_arena_take(arena, lane_count * sizeof(pull->_agent_lanes[0]));
    pull->_agent_lanes_room = pull->_agent_lanes == NULL ? 0 : lane_count;
    if (has_park)
        pull->park.park.nodes = make_nodes(arena, lane_count);
    return pull->_agent_lanes != NULL && (!has_park || pull->park.park.nodes != NULL);
}

static bool
is_bound_to(const struct aw_pull *pull, uint32_t lane)
{
    for (uint32_t i = 0; i < pull->bound_count; i++) {
        if (pull->bound[i] == lane)
            return true;
    }
    return pull->bound_count == 0;
}

/* The agent's lanes, if its token is for them; without any of these, those of the token: what a token allows goes before what a
 * supervisor set the agent to. */
static void
take_agent_lanes(struct aw_pull *pull, const struct aw_agent_settings *settings)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < settings->lane_count; i++) {
        if (is_bound_to(pull, settings->lanes[i]))
            pull->_agent_lanes[count++] = settings->lanes[i];
    }
    pull->lanes = count > 0 ? pull->_agent_lanes : pull->bound;
    pull->lane_count = count > 0 ? count : pull->bound_count;
}

bool
aw_pull_renew(struct aw_pull *pull)
{
    struct aw_agents_row           *row = aw_agents_directory_find(pull->call.io->shared->agents, pull->agent);
    const struct aw_agent_settings *settings = aw_agents_row_settings(row);
    uint32_t                        count = settings == NULL || pull->names_lanes ? 0 : settings->lane_count;

    aw_agents_row_units(row, &pull->_units);
    if (pull->_stamp == (settings == NULL ? 0 : settings->stamp))
        return true;
    if (!make_room(pull, count > pull->bound_count ? count : pull->bound_count))
        return false;
    AW_ASSERT(settings != NULL); /* what was set once stays so */
    if (!pull->names_lanes)
        take_agent_lanes(pull, settings);
    pull->_is_gentle = settings->is_gentle;
    pull->_barred = settings->barred;
    pull->_stamp = settings->stamp;
    tell_park(pull);
    return true;
}

/* --- taking ------------------------------------------------------------------------------------------------------------------- */

/* An entry of a ticket. Those of one lane, up to three, go back together: they are one choice. False: entries of as many lanes are
 * noted already as it can wait in. */
static bool
note_queue(struct aw_pull *pull, struct aw_in_lease *lease, const struct aw_head *head)
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
note_taken(struct aw_pull *pull, const struct aw_head *head)
{
    for (uint32_t i = 0; i < pull->submission.count; i++) {
        struct aw_in_lease *lease = &pull->entries[i].command.in.lease;

        if (lease->slot == head->slot && lease->version == head->version && note_queue(pull, lease, head))
            return true;
    }
    return false;
}

static const struct aw_order_settings *
order_of(const struct aw_pull *pull)
{
    return aw_surge_copy_order(pull->call.io, pull->lanes, pull->lane_count);
}

static void
add_choice(struct aw_pull *pull, const struct aw_choice *choice)
{
    pull->entries[pull->submission.count++].command =
        (struct aw_command){.kind = AW_COMMAND_LEASE,
                            .in.lease = {.slot = choice->head.slot,
                                         .version = choice->head.version,
                                         .through = choice->head.lane + 1,
                                         .agent = pull->agent,
                                         .lease_ms = pull->lease_ms,
                                         .pull_key = pull->key,
                                         .choice = {.at = pull->call.io->wall,
                                                    .order = *order_of(pull),
                                                    .seen_seq = choice->seen_seq,
                                                    .taken_seq = choice->taken_seq,
                                                    .queue = (uint8_t)choice->head.queue,
                                                    .full = aw_units_full(&pull->_units),
                                                    .barred = pull->_barred,
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
ask_aside(struct aw_pull *pull, uint64_t seen_seq)
{
    const struct aw_shared *shared = pull->call.io->shared;
    uint32_t                room = pull->max - pull->submission.count;
    uint32_t                asides = aw_lanes_directory_asides(shared->directory, pull->_is_gentle);
    struct aw_choice        none = {.head.queue = AW_CHOICE_ASIDE, .seen_seq = seen_seq};

    if (asides == 0 || room == 0 || pull->_asked_aside)
        return;
    none.taken_seq = aw_lanes_published(shared->lanes);
    pull->_asked_aside = true;
    for (uint32_t i = 0; i < room && i < asides; i++)
        add_choice(pull, &none);
}

/* Whether one more ticket may be taken for this pull. False also when the lanes are shut. */
static bool
has_place(struct aw_pull *pull)
{
    const struct aw_io *io = pull->call.io;

    pull->is_shut_out = aw_lanes_is_shut(io->shared->lanes);
    return !pull->is_shut_out && pull->submission.count < pull->max &&
           io->choices_out + pull->submission.choices < AW_IO_CHOICES_MAX;
}

/* The most urgent ticket, if there is a place and one waits; *ret_is_dry when none does. */
static bool
take_one(struct aw_pull *pull, struct aw_choice *ret_choice, bool *ret_is_dry)
{
    const struct aw_io       *io = pull->call.io;
    const struct aw_shared   *shared = io->shared;
    const struct aw_choice_of of = {.lanes = shared->lanes,
                                    .directory = shared->directory,
                                    .lane_list = pull->lanes,
                                    .lane_count = pull->lane_count,
                                    .full = aw_units_full(&pull->_units),
                                    .barred = pull->_barred,
                                    .order = order_of(pull)};

    while (has_place(pull)) {
        *ret_is_dry = !aw_choice_take(&of, io->wall, ret_choice);
        if (*ret_is_dry || !note_taken(pull, &ret_choice->head))
            return !*ret_is_dry;
    }
    return false;
}

bool
aw_pull_take(struct aw_pull *pull)
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
        aw_units_take(&pull->_units, choice.head.shelf);
    }
    pull->is_shut_out &= submission->count == 0;
    if (is_dry) /* what is aside is compared with what was taken, not with what is still there */
        ask_aside(pull, seen_seq);
    if (is_dry && submission->count == 0)
        return false;
    submission->kind = AW_SUBMIT_COMMANDS;
    submission->entries = pull->entries;
    submission->pull = &pull->park.park;
    pull->_order = *order_of(pull);
    submission->woken_lane = pull->park.park.woken_lane; /* the wake has done its work with this */
    pull->park.park.woken_lane = AW_LANE_NONE;
    aw_call_submit(&pull->call, submission);
    return true;
}

enum aw_err
aw_pull_sort_granted(struct aw_pull *pull)
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

/* --- waiting ------------------------------------------------------------------------------------------------------------------ */

bool
aw_pull_make_park(struct aw_pull *pull)
{
    uint32_t nodes = pull->names_lanes || pull->lane_count > pull->_agent_lanes_room ? pull->lane_count : pull->_agent_lanes_room;

    pull->park.kind = AW_SUBMIT_PARK;
    tell_park(pull);
    pull->park.park.nodes = make_nodes(aw_call_arena_kept(&pull->call), nodes);
    return pull->park.park.nodes != NULL;
}

bool
aw_pull_has_park(const struct aw_pull *pull)
{
    return pull->park.kind == AW_SUBMIT_PARK;
}

void
aw_pull_park(struct aw_pull *pull, bool leaving)
{
    pull->is_parked = true;
    pull->_order = *order_of(pull);
    pull->park.park.leaving = leaving;
    aw_call_submit(&pull->call, &pull->park);
}

void
aw_pull_parked(struct aw_pull *pull)
{
    pull->is_parked = false;
    pull->_is_cancelling = false;
    if (pull->park.park.offered_slot != 0)
        pull->_asked_aside = false;
}

bool
aw_pull_has_wake(const struct aw_pull *pull)
{
    return pull->park.park.woken_lane != AW_LANE_NONE || pull->park.park.offered_slot != 0;
}

void
aw_pull_cancel(struct aw_pull *pull)
{
    if (!pull->is_parked || pull->_is_cancelling)
        return;
    pull->_is_cancelling = true;
    pull->cancel = (struct aw_submission){.kind = AW_SUBMIT_CANCEL, .target = &pull->park};
    aw_call_submit(&pull->call, &pull->cancel);
}

/* --- leases ------------------------------------------------------------------------------------------------------------------- */

bool
aw_pull_read_messages(struct aw_pull *pull)
{
    pull->read = aw_api_read_new(&pull->call, pull->granted, (size_t)pull->granted * THREAD_BYTES);
    if (pull->read == NULL)
        return false;
    for (uint32_t i = 0; i < pull->granted; i++) {
        uint64_t last = pull->is_repeat ? pull->query->views[i].last_seq : pull->entries[i].command.out.u.lease.last_seq;
        uint64_t ticket = pull->is_repeat ? pull->query->views[i].ticket.seq : pull->entries[i].command.out.u.lease.ticket.seq;

        pull->read->items[i] = (struct aw_read_item){.kind = AW_READ_THREAD,
                                                     .last_seq = last,
                                                     .ticket_seq = ticket,
                                                     .messages_max = AW_LEASE_MESSAGES_MAX,
                                                     .is_open = true};
    }
    aw_call_read(&pull->call, pull->read);
    return true;
}

enum aw_err
aw_pull_make_views(struct aw_pull *pull, struct aw_lease_answer **ret_leases)
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
            aw_lease_view_of_ticket(&leases[i], &texts[i], &pull->query->views[i], &shared->token_key, pull->call.io->wall);
        else
            aw_lease_view_of_outcome(&leases[i], &texts[i], &pull->entries[i].command.out.u.lease, &shared->token_key,
                                     pull->call.io->wall);
        aw_lease_view_fill(&leases[i], &pull->read->items[i]);
        if (!aw_view_add_help(arena, shared->directory,
                              pull->is_repeat ? &pull->query->views[i].help : &pull->entries[i].command.out.u.lease.help,
                              &leases[i].reasons, &leases[i].reason_count))
            return AW_E_MEMORY;
    }
    *ret_leases = leases;
    return AW_OK;
}

void
aw_pull_tell_of_damage(struct aw_pull *pull)
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

void
aw_pull_give_back(struct aw_pull *pull)
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
    aw_call_submit(&pull->call, submission);
}

void
aw_pull_give_back_later(struct aw_pull *pull, const struct aw_lease_id *leases, uint32_t count)
{
    struct aw_errand *errand = aw_errand_new(count, pull->agent);

    if (errand == NULL)
        return; /* no memory: the leases run out by themselves, which is what they are for */
    for (uint32_t i = 0; i < count; i++)
        errand->entries[i].command = (struct aw_command){
            .kind = AW_COMMAND_RELEASE,
            .in.fenced = {
                .lease = leases[i], .agent = errand->agent, .words = AW_SLICE("answer not delivered"), .gives_back = true}};
    aw_metric_add(pull->call.io->metrics, AW_METRIC_LEASES_GIVEN_BACK, count);
    aw_errand_send(pull->call.io, errand);
}
