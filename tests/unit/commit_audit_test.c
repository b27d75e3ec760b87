/* commit_audit_test.c - proves that the audit finds every pull that was given the wrong ticket, and none else.
 *
 * How: a desk of the server's own parts (state, lanes, choice) under a made-up clock. Pulls choose while groups of commands are
 * applied, flushed and published piece by piece, and hold their tickets over a group or two before their leases are applied.
 * Tickets are held, cancelled and folded under their hands, lanes pause, departures come near, leases run out, the rule changes,
 * the server is killed and starts anew. Of all that, the audit finds nothing. Then single pulls take what is not first: these it
 * finds, exactly, with the ticket that they passed over and for how long. What was chosen while somebody may have had a ticket in
 * hand that he was refused is left out, and nothing else.
 */
#include "commit/audit.h"

#include "commit/choice.h"
#include "commit/lanes_directory.h"

#include "support/random.h"
#include "unit/core_kit.h"

#include <stdlib.h>
#include <string.h>

#define LANES        5U
#define AGENTS       40U
#define TICKETS_MAX  20000U
#define COMMANDS_MAX 256U
#define EVENTS_MAX   1024U
#define HANDS_MAX    64U
#define WRONG_MAX    64U
#define GROUP_MS     7U /* how long a flush takes */
#define FAR_AWAY     (6 * KIT_HOUR)
#define LEASE_MS     (2 * KIT_MINUTE)

struct wrong {
    uint64_t seq;    /* of the lease */
    uint32_t passed; /* slot of the best of all */
};

struct desk {
    struct random             random;
    struct aw_state          *state;
    struct aw_audit          *audit;
    struct aw_qsbr            qsbr;
    struct aw_lanes          *lanes;
    struct aw_lanes_directory directory;
    struct aw_order_settings  order;
    aw_ms                     now;
    uint64_t                  index;
    uint64_t                  group_seq; /* first record of the group */
    uint64_t                  next_id;
    struct aw_event           events[EVENTS_MAX];
    uint32_t                  event_count;
    /* Pulls that chose and are not applied yet. */
    struct aw_command  hands[HANDS_MAX];
    uint32_t           lists[HANDS_MAX][LANES];
    uint32_t           hand_count;
    uint64_t           refused_seq;       /* as the committer has it */
    bool               refuses;           /* leases now and then, as when a table is full */
    bool               is_quiet;          /* nobody pulls */
    bool               is_calm;           /* nobody meddles */
    struct aw_lease_id held[TICKETS_MAX]; /* running leases */
    uint32_t           held_count;
    struct wrong       wrongs[WRONG_MAX];
    uint32_t           wrong_count;
    uint64_t           leases;
    uint64_t           shelves_max; /* channels that get one on the way */
    uint32_t           moving;      /* steps until what waits has moved there */
};

static struct desk the_desk; /* too large for a stack */

/* --- the desk --------------------------------------------------------------------------------------------------------------- */

static void
load_lanes(struct desk *desk)
{
    const struct aw_lanes_config config = {
        .lanes_max = LANES, .tickets_max = TICKETS_MAX, .base = KIT_START - 30 * KIT_DAY + 37, .bytes_max = UINT64_C(64) << 20};
    struct aw_lanes_load *load;

    aw_qsbr_init(&desk->qsbr);
    assert_int_equal(aw_lanes_new(&desk->lanes, &config, &desk->qsbr), AW_OK);
    assert_int_equal(aw_lanes_load_new(&load, desk->lanes, TICKETS_MAX), AW_OK);
    for (uint32_t slot = 0; slot < aw_state_ticket_slots(desk->state); slot++) {
        struct aw_ticket_view view;
        bool                  is_queued;

        if (!aw_state_ticket_at(desk->state, slot, &view))
            continue;
        aw_lanes_show_window(desk->lanes, slot, view.class_, view.reply_by, view.closing);
        aw_lanes_show_shelf(desk->lanes, slot, view.shelf);
        aw_lanes_show(desk->lanes, slot, view.version, view.age);
        is_queued = view.state == AW_TICKET_WAITING && !view.is_aside;
        if (is_queued)
            assert_int_equal(aw_lanes_load_add(load, view.lane, view.class_, view.key, slot, view.version), AW_OK);
        for (uint32_t i = 0; is_queued && i < view.help.count; i++)
            assert_int_equal(aw_lanes_load_add(load, view.help.by[i].lane, view.class_, view.key, slot, view.version), AW_OK);
    }
    assert_int_equal(aw_lanes_load_finish(load), AW_OK);
    aw_lanes_load_free(&load);
    aw_lanes_set_published(desk->lanes, aw_state_seq(desk->state));
}

static bool
apply(struct desk *desk, struct aw_command *command)
{
    const struct aw_batch_header header = {.now = desk->now, .index = desk->index, .first_seq = desk->group_seq};

    aw_state_begin(desk->state, desk->index, desk->now);
    (void)aw_state_apply(desk->state, command); /* the outcome is in `out` */
    if (command->out.changed)
        aw_audit_note(desk->audit, &header, command, desk->state);
    if (command->out.event.kind != AW_EVENT_NONE) {
        assert_in_range(desk->event_count, 0, EVENTS_MAX - 1);
        desk->events[desk->event_count++] = command->out.event;
    }
    return command->out.changed;
}

static void
begin_group(struct desk *desk)
{
    desk->index++;
    desk->group_seq = aw_state_seq(desk->state) + 1;
}

static void
publish_one(struct desk *desk, const struct aw_event *event)
{
    if (event->kind == AW_EVENT_AGENT)
        return; /* its slot is no ticket's */
    if (event->kind == AW_EVENT_LANE) {
        if (event->lane == aw_lanes_directory_count(&desk->directory))
            aw_lanes_directory_add(&desk->directory, event->lane, AW_SLICE("lane"), event->pause);
        else
            aw_lanes_directory_set_pause(&desk->directory, event->lane, event->pause);
        return;
    }
    if (event->kind == AW_EVENT_BACK) {
        for (uint32_t i = 0; i < event->other_count; i++) {
            const struct aw_lane_queues *to = &event->others[i];

            assert_int_equal(aw_lanes_push_back(desk->lanes, to->lane, to->queues, event->key, event->slot, event->version),
                             AW_OK);
        }
        return;
    }
    if (event->kind == AW_EVENT_HELPED) {
        for (uint32_t i = 0; i < event->other_count; i++)
            assert_int_equal(
                aw_lanes_push(desk->lanes, event->others[i].lane, event->class_, event->key, event->slot, event->version), AW_OK);
        return;
    }
    aw_lanes_show_window(desk->lanes, event->slot, event->class_, event->reply_by, event->closing);
    aw_lanes_show_shelf(desk->lanes, event->slot, event->shelf);
    aw_lanes_show(desk->lanes, event->slot, event->version, event->age);
    if (event->kind == AW_EVENT_QUEUED)
        assert_int_equal(aw_lanes_push(desk->lanes, event->lane, event->class_, event->key, event->slot, event->version), AW_OK);
}

/* Nothing waits aside by itself: there is no committer here, that would hand it out. */
static void
keep_none(struct desk *desk)
{
    struct aw_command command = {.kind = AW_COMMAND_SETTINGS, .in.settings = *aw_state_settings(desk->state)};

    command.in.settings.kept_ms = 0;
    command.in.settings.kept_gentle_ms = 0;
    assert_true(apply(desk, &command));
}

static void
publish_all(struct desk *desk)
{
    for (uint32_t i = 0; i < desk->event_count; i++)
        publish_one(desk, &desk->events[i]);
    desk->event_count = 0;
    aw_lanes_set_published(desk->lanes, aw_state_seq(desk->state));
}

/* Pauses or opens it, and has others help it: by age, many of its tickets at once. */
static void
change_lane(struct desk *desk)
{
    static const char *const lanes[] = {"l2", "l3", "l4", "main"};
    uint32_t                 at = (uint32_t)random_below(&desk->random, 3);
    bool                     is_paused = random_below(&desk->random, 3) == 0;
    struct aw_lane_helper    helpers[3];
    struct aw_command        command = {.kind = AW_COMMAND_LANE,
                                        .in.lane = {.name = aw_slice_str(lanes[at]),
                                                    .pause = is_paused ? AW_LANE_PAUSED_OUT : AW_LANE_OPEN,
                                                    .helpers = helpers,
                                                    .helper_count = (uint32_t)random_below(&desk->random, 4)}};

    for (uint32_t i = 0; i < 3; i++)
        helpers[i] = (struct aw_lane_helper){.lane = aw_slice_str(lanes[(at + 1 + i) % 4]), .after_s = 1 + 500 * i};
    (void)apply(desk, &command);
}

static void
open_desk(struct desk *desk, uint64_t seed)
{
    struct aw_state_limits limits = kit_limits();
    struct aw_why          why;

    assert_true(aw_hash_init());
    memset(desk, 0, sizeof(*desk));
    desk->random = random_of(seed);
    desk->order = AW_ORDER_SETTINGS_DEFAULT;
    desk->now = KIT_START;
    limits.tickets_max = TICKETS_MAX;
    limits.identities_max = 4 * TICKETS_MAX;
    limits.ids_max = 4 * TICKETS_MAX;
    limits.leases_max = TICKETS_MAX;
    limits.replies_max = TICKETS_MAX;
    limits.agents_max = 2 * AGENTS;
    assert_int_equal(aw_state_new(&desk->state, &limits, KIT_SHARD, &why), AW_OK);
    assert_int_equal(aw_audit_new(&desk->audit), AW_OK);
    assert_true(aw_lanes_directory_init(&desk->directory, LANES));
    for (uint32_t lane = 0; lane < aw_state_lane_count(desk->state); lane++)
        aw_lanes_directory_add(&desk->directory, lane, AW_SLICE("lane"), AW_LANE_OPEN);
    load_lanes(desk);
    begin_group(desk);
    for (uint32_t lane = aw_state_lane_count(desk->state); lane < LANES; lane++) {
        char              name[8];
        struct aw_command command = {.kind = AW_COMMAND_LANE};

        (void)snprintf(name, sizeof(name), "l%u", lane);
        command.in.lane.name = aw_slice_str(name);
        assert_true(apply(desk, &command));
    }
    keep_none(desk);
    for (unsigned i = 0; i < 3; i++)
        change_lane(desk);
    publish_all(desk);
}

static void
close_desk(struct desk *desk)
{
    aw_lanes_directory_fini(&desk->directory);
    aw_lanes_free(&desk->lanes);
    aw_audit_free(&desk->audit);
    aw_state_free(&desk->state);
}

/* --- commands --------------------------------------------------------------------------------------------------------------- */

static const char *const channels[] = {"mail", "chat", "web", "sms"};

static void
post(struct desk *desk)
{
    static const char *const lanes[LANES] = {"main", "listening", "l2", "l3", "l4"};
    struct kit_room          room;
    uint32_t                 known = (uint32_t)++desk->next_id;
    struct kit_post          words = {.id = known,
                                      .who = {random_below(&desk->random, 4) == 0 ? random_below(&desk->random, known) + 1 : known},
                                      .class_ = (enum aw_class)random_below(&desk->random, AW_CLASS_COUNT),
                                      .channel = channels[random_below(&desk->random, AW_ARRAY_LEN(channels))],
                                      .lane = lanes[random_below(&desk->random, LANES)]};
    struct aw_command        command;

    if (words.class_ == AW_CLASS_CARE && random_below(&desk->random, 4) != 0)
        words.class_ = AW_CLASS_OTHER;
    if (words.class_ == AW_CLASS_IMMINENT)
        words.departs_at = desk->now + random_below(&desk->random, 2 * FAR_AWAY);
    if (random_below(&desk->random, 2) == 0)
        words.received_at = desk->now - random_below(&desk->random, KIT_HOUR);
    if (random_below(&desk->random, 3) == 0)
        words.reply_by = desk->now + random_below(&desk->random, 5 * KIT_HOUR);
    command = kit_message(&words, &room);
    (void)apply(desk, &command);
}

/* An agent who never pulls has units for this channel: its tickets get a shelf, and those that wait move there at once. */
static void
give_units(struct desk *desk, const char *channel)
{
    const struct aw_agent_units units = {.channel = aw_slice_str(channel), .units = 1};
    struct aw_command           command = {
                  .kind = AW_COMMAND_AGENT,
                  .in.agent = {.name = AW_SLICE("sam"), .units = &units, .unit_count = 1, .units_total = AW_UNITS_NO_TOTAL}};

    (void)apply(desk, &command);
    assert_int_equal(command.out.err, AW_OK);
    desk->moving = 1 + random_below(&desk->random, 4);
}

static void
move_to_shelves(struct desk *desk)
{
    for (uint32_t slot = 0; slot < aw_state_ticket_slots(desk->state); slot++) {
        struct aw_ticket_view view;

        if (!aw_state_ticket_at(desk->state, slot, &view) || view.state != AW_TICKET_WAITING || view.is_aside ||
            view.shelf == 0 || aw_lanes_shown_shelf(desk->lanes, slot) != 0)
            continue;
        aw_lanes_begin_move(desk->lanes, slot, view.shelf);
        assert_int_equal(aw_lanes_push(desk->lanes, view.lane, view.class_, view.key, slot, view.version), AW_OK);
        for (uint32_t i = 0; i < view.help.count; i++)
            assert_int_equal(aw_lanes_push(desk->lanes, view.help.by[i].lane, view.class_, view.key, slot, view.version), AW_OK);
        aw_lanes_end_move(desk->lanes, slot);
    }
}

/* A ticket that waits or is held, or none. */
static bool
some_ticket(struct desk *desk, struct aw_ticket_view *ret_view)
{
    uint32_t slots = aw_state_ticket_slots(desk->state);

    return aw_state_ticket_at(desk->state, (uint32_t)random_below(&desk->random, slots), ret_view) &&
           (ret_view->state == AW_TICKET_WAITING || ret_view->state == AW_TICKET_HELD);
}

static void
meddle(struct desk *desk)
{
    struct aw_ticket_view view;
    struct aw_command     command = {.kind = AW_COMMAND_HOLD};

    if (random_below(&desk->random, 40) == 0) {
        change_lane(desk);
        return;
    }
    if (!some_ticket(desk, &view))
        return;
    if (view.state == AW_TICKET_HELD)
        command.kind = AW_COMMAND_UNHOLD;
    else if (random_below(&desk->random, 3) == 0)
        command.kind = AW_COMMAND_CANCEL;
    command.in.ticket.ticket = view.ticket;
    (void)apply(desk, &command);
}

static void
finish_one(struct desk *desk)
{
    uint32_t          at = desk->held_count == 0 ? 0 : (uint32_t)random_below(&desk->random, desk->held_count);
    struct aw_command command = {.kind = random_below(&desk->random, 5) == 0 ? AW_COMMAND_RELEASE : AW_COMMAND_COMPLETE};

    if (desk->held_count == 0)
        return;
    command.in.fenced = (struct aw_in_fenced){.lease = desk->held[at], .agent = AW_SLICE("ann")};
    (void)apply(desk, &command);
    desk->held[at] = desk->held[--desk->held_count];
}

static void
come_due(struct desk *desk)
{
    struct aw_command command;

    aw_state_rearm(desk->state);
    for (unsigned i = 0; i < 100 && aw_state_due(desk->state, desk->now, &command); i++)
        (void)apply(desk, &command);
}

/* --- pulls ------------------------------------------------------------------------------------------------------------------ */

/* Ascending, some of all. */
static uint32_t
some_lanes(struct desk *desk, uint32_t list[LANES])
{
    uint32_t count = 0;

    if (random_below(&desk->random, 3) == 0)
        return 0;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        if (random_below(&desk->random, 2) == 0)
            list[count++] = lane;
    }
    return count;
}

static struct aw_command
lease_of(const struct desk *desk, const struct aw_choice *choice, const uint32_t *list, uint32_t count, uint16_t full,
         uint8_t barred)
{
    return (struct aw_command){
        .kind = AW_COMMAND_LEASE,
        .in.lease = {.slot = choice->head.slot,
                     .version = choice->head.version,
                     .through = choice->head.lane + 1,
                     .taken_from = {{.lane = (uint16_t)choice->head.lane, .queues = (uint8_t)(1U << choice->head.queue)}},
                     .taken_count = 1,
                     .agent = AW_SLICE("ann"),
                     .lease_ms = LEASE_MS,
                     .choice = {.at = desk->now,
                                .order = desk->order,
                                .seen_seq = choice->seen_seq,
                                .taken_seq = choice->taken_seq,
                                .queue = (uint8_t)choice->head.queue,
                                .full = full,
                                .barred = barred,
                                .lanes = count == 0 ? NULL : list,
                                .lane_count = count}}};
}

static void
pull(struct desk *desk)
{
    uint32_t           *list;
    uint32_t            count;
    struct aw_choice_of of = {.lanes = desk->lanes, .directory = &desk->directory, .order = &desk->order};
    struct aw_choice    choice;

    if (random_below(&desk->random, 2) == 0) /* as if no unit were free there: what was taken is leased all the same */
        of.full = (uint16_t)random_below(&desk->random, 16);
    if (random_below(&desk->random, 3) == 0) /* nor given these classes */
        of.barred = (uint8_t)random_below(&desk->random, AW_CLASSES_ALL);
    if (desk->is_quiet || desk->hand_count == HANDS_MAX)
        return;
    list = desk->lists[desk->hand_count];
    count = some_lanes(desk, list);
    of.lane_list = count == 0 ? NULL : list;
    of.lane_count = count;
    if (aw_choice_take(&of, desk->now, &choice))
        desk->hands[desk->hand_count++] = lease_of(desk, &choice, list, count, of.full, of.barred);
}

/* A ticket that was refused although it waits goes back, as the committer does it. */
static bool
give_back(struct desk *desk, const struct aw_in_lease *lease)
{
    struct aw_ticket_view view;

    if (!aw_state_ticket_at(desk->state, lease->slot, &view) || view.state != AW_TICKET_WAITING ||
        view.version != lease->version || !aw_state_waits_in(desk->state, lease->slot, lease->taken_from[0].lane))
        return false;
    desk->events[desk->event_count++] = (struct aw_event){.kind = AW_EVENT_BACK,
                                                          .slot = lease->slot,
                                                          .version = view.version,
                                                          .lane = view.lane,
                                                          .others = {lease->taken_from[0]},
                                                          .other_count = 1,
                                                          .class_ = view.class_,
                                                          .key = view.key,
                                                          .age = view.age};
    return true;
}

static void
lease(struct desk *desk, struct aw_command *command, uint32_t held_ms)
{
    command->in.lease.choice.held_us = held_ms * 1000;
    command->in.lease.choice.refused_seq = desk->refused_seq;
    if ((desk->refuses && random_below(&desk->random, 1000) == 0) || !apply(desk, command)) {
        if (give_back(desk, &command->in.lease) &&
            (desk->refused_seq == 0 || command->in.lease.choice.seen_seq < desk->refused_seq))
            desk->refused_seq = command->in.lease.choice.seen_seq;
        return;
    }
    desk->refused_seq = 0;
    desk->leases++;
    assert_in_range(desk->held_count, 0, TICKETS_MAX - 1);
    desk->held[desk->held_count++] = command->out.u.lease.lease;
}

/* Leases out of the hands, in any order, some of them only with the next group. */
static void
lease_some(struct desk *desk)
{
    for (uint32_t i = desk->hand_count; i-- > 0;) {
        uint32_t          at = (uint32_t)random_below(&desk->random, desk->hand_count);
        struct aw_command command = desk->hands[at];
        uint32_t          list[LANES];

        if (random_below(&desk->random, 8) == 0)
            continue;
        memcpy(list, desk->lists[at], sizeof(list));
        if (command.in.lease.choice.lanes != NULL)
            command.in.lease.choice.lanes = list;
        desk->hand_count--;
        desk->hands[at] = desk->hands[desk->hand_count];
        memcpy(desk->lists[at], desk->lists[desk->hand_count], sizeof(list));
        if (desk->hands[at].in.lease.choice.lanes != NULL)
            desk->hands[at].in.lease.choice.lanes = desk->lists[at];
        lease(desk, &command, (uint32_t)(desk->now - command.in.lease.choice.at));
    }
}

/* One group: what came meanwhile is applied, flushed, and published piece by piece; pulls choose all along. */
static void
step(struct desk *desk, unsigned posts)
{
    begin_group(desk);
    come_due(desk);
    lease_some(desk);
    if (desk->index % 300 == 0 && desk->index / 300 <= desk->shelves_max)
        give_units(desk, channels[desk->index / 300]);
    for (unsigned i = 0; i < posts; i++)
        post(desk);
    for (uint32_t i = desk->is_calm ? 0 : random_below(&desk->random, 4); i > 0; i--)
        meddle(desk);
    for (uint32_t i = random_below(&desk->random, 12); i > 0; i--)
        finish_one(desk);
    for (uint32_t i = random_below(&desk->random, 6); i > 0; i--)
        pull(desk);
    desk->now += random_below(&desk->random, 3) == 0 ? 0 : GROUP_MS; /* some groups share one time */
    for (uint32_t i = 0; i < desk->event_count; i++) {
        publish_one(desk, &desk->events[i]);
        if (random_below(&desk->random, 4) == 0)
            pull(desk);
    }
    desk->event_count = 0;
    aw_lanes_set_published(desk->lanes, aw_state_seq(desk->state));
    if (desk->moving > 0 && --desk->moving == 0) { /* a little later */
        move_to_shelves(desk);
        desk->now += KIT_MINUTE;
    }
    for (uint32_t i = random_below(&desk->random, 3); i > 0; i--)
        pull(desk);
    (void)aw_lanes_reclaim(desk->lanes);
}

/* Ends as if by kill -9: what was in hand is gone, the queues are made anew. */
static void
start_anew(struct desk *desk)
{
    struct aw_command command = {.kind = AW_COMMAND_EPOCH, .in.epoch = {.epoch = aw_state_epoch(desk->state) + 1}};

    desk->hand_count = 0;
    desk->refused_seq = 0;
    desk->now += KIT_MINUTE;
    begin_group(desk);
    assert_true(apply(desk, &command));
    desk->event_count = 0;
    aw_lanes_free(&desk->lanes);
    load_lanes(desk);
}

static struct aw_audit_result
judge(struct desk *desk)
{
    struct aw_audit_result result;

    assert_int_equal(aw_audit_judge(desk->audit, &result), AW_OK);
    return result;
}

/* --- tests ------------------------------------------------------------------------------------------------------------------ */

static void
test_a_right_desk_passes_over_nothing(void **state)
{
    struct desk *desk = &the_desk;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct aw_audit_result result;

        open_desk(desk, seed);
        desk->shelves_max = seed % 4;
        desk->refuses = seed % 2 == 0; /* what was chosen meanwhile is not judged */
        for (unsigned i = 0; i < 1500; i++) {
            step(desk, i < 600 ? 12 : 4);
            if (random_below(&desk->random, 300) == 0)
                start_anew(desk);
            if (random_below(&desk->random, 100) == 0) { /* another rule, from the next pull on */
                desk->order.order = desk->order.order == AW_ORDER_STRICT ? AW_ORDER_RATIO : AW_ORDER_STRICT;
                desk->order.target_ms[AW_CLASS_OTHER] = (1 + random_below(&desk->random, 24)) * KIT_HOUR;
            }
        }
        result = judge(desk);
        if (result.passed_ms.count > 0)
            fail_msg("seed %lu: lease %lu passed over slot %u, of %lu", (unsigned long)seed,
                     (unsigned long)result.findings[0].seq, result.findings[0].passed.slot,
                     (unsigned long)result.passed_ms.count);
        assert_int_equal(result.leases, desk->leases);
        assert_in_range(result.judged, desk->leases / 2, desk->leases);
        assert_true(result.judged > 2000);
        assert_true(result.late_ms.count > 0);
        close_desk(desk);
    }
}

/* Nobody else pulls: takes what is not first, if there is such. The second best of all heads, or the best of one lane only though
 * the pull names all. */
static void
pull_wrongly(struct desk *desk)
{
    struct aw_choice_of of = {.lanes = desk->lanes, .directory = &desk->directory, .order = &desk->order};
    struct aw_choice    best, heads[AW_CHOICE_HEADS_MAX], other;
    uint64_t            seen_seq = aw_lanes_published(desk->lanes);
    bool                any = false;
    struct aw_command   command;

    if (!aw_choice_find(&of, desk->now, &best))
        return;
    for (uint32_t lane = 0; lane < LANES; lane++) {
        unsigned count = aw_lanes_directory_gives(&desk->directory, lane) ? aw_choice_look(desk->lanes, lane, heads) : 0;

        for (unsigned i = 0; i < count; i++) {
            struct aw_order_candidate a = best.candidate, b = heads[i].candidate;

            a.id = b.id = 0;
            if (heads[i].head.slot == best.head.slot || !aw_order_goes_before(&desk->order, desk->now, &a, &b) ||
                (any && random_below(&desk->random, 2) == 0))
                continue;
            other = heads[i];
            any = true;
        }
    }
    if (!any || !aw_lanes_try_take(desk->lanes, &other.head))
        return;
    other.seen_seq = seen_seq;
    other.taken_seq = seen_seq;
    command = lease_of(desk, &other, NULL, 0, 0, 0);
    lease(desk, &command, 0);
    if (command.out.err == AW_OK)
        desk->wrongs[desk->wrong_count++] = (struct wrong){command.out.seq, best.head.slot};
}

/* A ticket that waits in several lanes may be in hand through one while it is leased through another: the audit is in doubt for a
 * while before that. */
static void
rest(struct desk *desk)
{
    for (unsigned i = 0; i < 3; i++) {
        begin_group(desk);
        desk->now += 20 * GROUP_MS;
        post(desk);
        publish_all(desk);
    }
}

static void
empty_hands(struct desk *desk)
{
    desk->is_quiet = true;
    while (desk->hand_count > 0)
        step(desk, 0);
    desk->is_quiet = false;
}

/* It is found; *same counts those found with the best of all that it passed over. Of two that are as urgent as each other the
 * audit may name either, and when the best left its queue by itself soon after, it names the next. */
static void
expect_finding(const struct aw_audit_result *result, const struct wrong *wrong, uint32_t *same)
{
    for (uint32_t i = 0; i < result->finding_count; i++) {
        if (result->findings[i].seq != wrong->seq)
            continue;
        *same += result->findings[i].passed.slot == wrong->passed;
        assert_true(aw_slice_eq(result->findings[i].agent, AW_SLICE("ann")));
        return;
    }
    fail_msg("lease %lu was not found", (unsigned long)wrong->seq);
}

static void
test_wrong_pulls_are_found(void **state)
{
    struct desk *desk = &the_desk;

    (void)state;
    for (uint64_t seed = 100; seed < 106; seed++) {
        struct aw_audit_result result;
        uint32_t               same = 0;

        open_desk(desk, seed);
        desk->is_calm = true;
        desk->shelves_max = seed % 3;
        for (unsigned i = 0; i < 800 && desk->wrong_count < WRONG_MAX; i++) {
            step(desk, 16);
            if (i % 20 != 19 || desk->moving > 0)
                continue;
            empty_hands(desk);
            begin_group(desk);
            desk->now += GROUP_MS;
            pull_wrongly(desk);
            publish_all(desk);
            rest(desk);
        }
        for (unsigned i = 0; i < 20; i++)
            step(desk, 6); /* at the journal's end the audit is in doubt */
        assert_true(desk->wrong_count > 20);
        result = judge(desk);
        assert_int_equal(result.passed_ms.count, desk->wrong_count);
        for (uint32_t i = 0; i < desk->wrong_count; i++)
            expect_finding(&result, &desk->wrongs[i], &same);
        assert_in_range(same, desk->wrong_count * 9 / 10, desk->wrong_count);
        close_desk(desk);
    }
}

/* Two tickets of care; the younger goes first, the older after `wait_ms`. */
static struct aw_audit_result
pass_over(struct desk *desk, uint64_t wait_ms, bool is_told, uint32_t held_ms)
{
    struct kit_room     room;
    struct aw_choice_of of = {.lanes = desk->lanes, .directory = &desk->directory, .order = &desk->order};
    struct aw_choice    choices[2];
    struct aw_command   command;

    begin_group(desk);
    for (uint64_t i = 0; i < 2; i++) {
        struct kit_post words = {.id = ++desk->next_id, .who = {desk->next_id}, .class_ = AW_CLASS_CARE};

        words.received_at = desk->now - (2 - i) * KIT_MINUTE;
        command = kit_message(&words, &room);
        assert_true(apply(desk, &command));
    }
    publish_all(desk);
    assert_true(aw_choice_take(&of, desk->now, &choices[0]));
    assert_true(aw_choice_take(&of, desk->now, &choices[1]));
    desk->now += held_ms;
    begin_group(desk);
    command = lease_of(desk, &choices[1], NULL, 0, 0, 0);
    lease(desk, &command, held_ms);
    desk->now += wait_ms;
    begin_group(desk);
    command = lease_of(desk, &choices[0], NULL, 0, 0, 0);
    command.in.lease.choice.at = desk->now;
    if (!is_told)
        command.in.lease.choice.at = 0;
    command.in.lease.choice.seen_seq = command.in.lease.choice.taken_seq = aw_state_seq(desk->state);
    lease(desk, &command, 0);
    return judge(desk);
}

static void
test_how_long(void **state)
{
    struct desk           *desk = &the_desk;
    struct aw_audit_result result;

    (void)state;
    open_desk(desk, 1);
    result = pass_over(desk, 5000, true, 12);
    assert_int_equal(result.passed_ms.count, 1);
    assert_int_equal(result.passed_ms.max, 5012); /* since the choice */
    assert_int_equal(result.held_us.max, 12000);
    assert_int_equal(result.beyond, 1);
    close_desk(desk);

    open_desk(desk, 2); /* nothing says who had it: in doubt it was in hand */
    result = pass_over(desk, 5000, false, 12);
    assert_int_equal(result.passed_ms.count, 0);
    assert_int_equal(result.leases, 2);
    assert_int_equal(result.judged, 1);
    close_desk(desk);
}

/* From a checkpoint on: what waits there counts. */
static struct aw_ticket_id
post_one(struct desk *desk, enum aw_class class_)
{
    struct kit_room   room;
    uint64_t          known = ++desk->next_id;
    struct kit_post   words = {.id = known, .who = {known}, .class_ = class_};
    struct aw_command command = kit_message(&words, &room);

    begin_group(desk);
    assert_true(apply(desk, &command));
    desk->now += KIT_MINUTE;
    return command.out.u.message.ticket;
}

/* A lease by a pull that looked when all before it was published, and what it tells of refusals. Its record. */
static struct aw_command
lease_telling(struct desk *desk, struct aw_slice agent, struct aw_ticket_id ticket, uint8_t queue, bool says,
              uint64_t refused_seq)
{
    struct aw_ticket_view view;
    uint64_t              seq = aw_state_seq(desk->state);
    struct aw_command     command = {.kind = AW_COMMAND_LEASE};

    assert_int_equal(aw_state_ticket(desk->state, ticket, &view), AW_OK);
    command.in.lease = (struct aw_in_lease){.slot = ticket.slot,
                                            .version = view.version,
                                            .agent = agent,
                                            .lease_ms = LEASE_MS,
                                            .choice = {.at = says ? desk->now : 0,
                                                       .order = desk->order,
                                                       .seen_seq = seq,
                                                       .taken_seq = seq,
                                                       .queue = queue,
                                                       .refused_seq = refused_seq}};
    begin_group(desk);
    assert_true(apply(desk, &command));
    desk->now += KIT_MINUTE;
    return command;
}

static struct aw_command
lease_by(struct desk *desk, struct aw_slice agent, struct aw_ticket_id ticket, uint8_t queue)
{
    return lease_telling(desk, agent, ticket, queue, true, 0);
}

/* Declined by ann: from then on it waits aside. */
static struct aw_ticket_id
put_aside(struct desk *desk, enum aw_class class_)
{
    struct aw_ticket_id ticket = post_one(desk, class_);
    struct aw_command   command = lease_by(desk, AW_SLICE("ann"), ticket, (uint8_t)class_);

    command = (struct aw_command){.kind = AW_COMMAND_DECLINE,
                                  .in.fenced = {.lease = command.out.u.lease.lease, .agent = AW_SLICE("ann"), .op_hash = 1}};
    begin_group(desk);
    assert_true(apply(desk, &command));
    assert_int_equal(command.out.event.kind, AW_EVENT_ASIDE);
    desk->now += KIT_MINUTE;
    return ticket;
}

struct aside_case {
    const char     *what;
    struct aw_slice agent;
    bool            takes_aside; /* else what lies in the queue */
    enum aw_class   aside;
    enum aw_class   queued;
    bool            is_found;
};
static const struct aside_case aside_cases[] = {
    {"the older one, aside, is passed over", {"bob", 3}, false, AW_CLASS_GENERAL, AW_CLASS_GENERAL, true},
    {"not by who declined it", {"ann", 3}, false, AW_CLASS_GENERAL, AW_CLASS_GENERAL, false},
    {"not for a more urgent one", {"bob", 3}, false, AW_CLASS_GENERAL, AW_CLASS_CARE, false},
    {"the older one, aside, is taken", {"bob", 3}, true, AW_CLASS_GENERAL, AW_CLASS_GENERAL, false},
    {"a more urgent one is passed over for it", {"bob", 3}, true, AW_CLASS_GENERAL, AW_CLASS_CARE, true},
};

/* What waits aside can be passed over, and can be given in front of what goes before it. */
static void
test_what_waits_aside(void **state)
{
    struct desk *desk = &the_desk;

    (void)state;
    for (size_t i = 0; i < sizeof(aside_cases) / sizeof(aside_cases[0]); i++) {
        const struct aside_case *want = &aside_cases[i];
        struct aw_ticket_id      aside, queued;
        struct aw_audit_result   result;

        open_desk(desk, i);
        aside = put_aside(desk, want->aside);
        queued = post_one(desk, want->queued);
        (void)lease_by(desk, want->agent, want->takes_aside ? aside : queued,
                       want->takes_aside ? AW_CHOICE_ASIDE : (uint8_t)want->queued);
        (void)lease_by(desk, AW_SLICE("bob"), want->takes_aside ? queued : aside,
                       want->takes_aside ? (uint8_t)want->queued : AW_CHOICE_ASIDE);
        assert_int_equal(aw_audit_judge(desk->audit, &result), AW_OK);
        assert_int_equal(result.judged, 3);
        if (result.passed_ms.count != (want->is_found ? 1 : 0))
            fail_msg("%s: %lu found", want->what, (unsigned long)result.passed_ms.count);
        if (want->is_found) {
            assert_int_equal(result.findings[0].passed.slot, want->takes_aside ? queued.slot : aside.slot);
            assert_int_equal(result.findings[0].passed_ms, KIT_MINUTE);
        }
        close_desk(desk);
    }
}

/* A pull takes the younger of two; whether somebody had the older one in hand and was refused it, the next lease tells, also one
 * that says nothing of its own choice. */
struct refusal_case {
    bool tells;
    bool says;
};
static const struct refusal_case refusal_cases[] = {{false, true}, {true, true}, {true, false}, {false, false}, {true, true}};

static void
pass_over_in_doubt(struct desk *desk, const struct refusal_case *round)
{
    struct aw_ticket_id older = post_one(desk, AW_CLASS_GENERAL);
    struct aw_ticket_id younger = post_one(desk, AW_CLASS_GENERAL);
    uint64_t            seen_seq = aw_state_seq(desk->state);
    struct aw_ticket_id care, other;

    (void)lease_by(desk, AW_SLICE("ann"), younger, AW_CLASS_GENERAL);
    care = post_one(desk, AW_CLASS_CARE);
    (void)lease_telling(desk, AW_SLICE("bob"), care, AW_CLASS_CARE, round->says, round->tells ? seen_seq : 0);
    other = post_one(desk, AW_CLASS_OTHER);
    (void)lease_by(desk, AW_SLICE("ann"), older, AW_CLASS_GENERAL);
    (void)lease_by(desk, AW_SLICE("ann"), other, AW_CLASS_OTHER);
}

/* Rounds in a row: what a lease tells of one leaves out what was chosen in that round, and nothing of those before and after. */
static void
test_refusals_leave_out_their_time(void **state)
{
    struct desk *desk = &the_desk;

    (void)state;
    for (unsigned rounds = 1; rounds <= 12; rounds++) {
        struct aw_audit_result result;
        uint64_t               judged = 0, found = 0;

        open_desk(desk, rounds);
        for (unsigned i = 0; i < rounds; i++) {
            const struct refusal_case *round = &refusal_cases[i % AW_ARRAY_LEN(refusal_cases)];

            pass_over_in_doubt(desk, round);
            judged += 2 + (round->tells ? 0 : 1 + round->says);
            found += !round->tells;
        }
        result = judge(desk);
        assert_int_equal(result.leases, 4 * rounds);
        assert_int_equal(result.judged, judged);
        assert_int_equal(result.passed_ms.count, found);
        close_desk(desk);
    }
}

static void
test_begins_in_the_middle(void **state)
{
    struct desk           *desk = &the_desk;
    struct aw_audit_result result;

    (void)state;
    open_desk(desk, 7);
    for (unsigned i = 0; i < 200; i++)
        step(desk, 8);
    empty_hands(desk);
    aw_audit_free(&desk->audit);
    assert_int_equal(aw_audit_new(&desk->audit), AW_OK);
    aw_audit_begin(desk->audit, desk->state);
    desk->leases = 0;
    begin_group(desk);
    pull_wrongly(desk);
    assert_int_equal(desk->wrong_count, 1);
    for (uint32_t k = 0; k < desk->event_count; k++)
        publish_one(desk, &desk->events[k]);
    desk->event_count = 0;
    aw_lanes_set_published(desk->lanes, aw_state_seq(desk->state));
    desk->now += GROUP_MS;
    for (unsigned i = 0; i < 200; i++)
        step(desk, 8);
    result = judge(desk);
    assert_int_equal(result.leases, desk->leases);
    assert_in_range(result.judged, desk->leases / 2, desk->leases);
    assert_int_equal(result.passed_ms.count, 1);
    assert_int_equal(result.findings[0].seq, desk->wrongs[0].seq);
    close_desk(desk);
}

static void
test_of_nothing(void **state)
{
    struct aw_audit       *audit;
    struct aw_audit_result result;

    (void)state;
    assert_int_equal(aw_audit_new(&audit), AW_OK);
    assert_int_equal(aw_audit_judge(audit, &result), AW_OK);
    assert_int_equal(result.leases, 0);
    assert_int_equal(result.passed_ms.count, 0);
    aw_audit_free(&audit);
    assert_null(audit);
    aw_audit_free(&audit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_right_desk_passes_over_nothing),
        cmocka_unit_test(test_wrong_pulls_are_found),
        cmocka_unit_test(test_how_long),
        cmocka_unit_test(test_what_waits_aside),
        cmocka_unit_test(test_refusals_leave_out_their_time),
        cmocka_unit_test(test_begins_in_the_middle),
        cmocka_unit_test(test_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
