/* core_agent_test.c - what agents are set to: AGENT and its refusals; leases counted by channel on every way that one begins or
 * ends; units that LEASE keeps to; gentle tickets that are for agents marked gentle first; all of it read back from a checkpoint.
 */
#include "core_kit.h"

#include <stdio.h>

static const struct aw_in_agent plain = {.units_total = AW_UNITS_NO_TOTAL};

static struct aw_command
set(struct kit *kit, const char *name, struct aw_in_agent in)
{
    struct aw_command command = {.kind = AW_COMMAND_AGENT, .in.agent = in};

    command.in.agent.name = aw_slice_str(name);
    (void)kit_apply(kit, &command);
    return command;
}

static struct aw_agent_view
view_of(const struct kit *kit, const char *name)
{
    static uint32_t      lanes[AW_LANES_PER_PULL_MAX];
    struct aw_agent_view view;

    aw_state_agent(kit->state, aw_state_find_agent(kit->state, aw_slice_str(name)), &view, lanes);
    return view;
}

static uint16_t
full_of(const struct kit *kit, const char *name)
{
    return aw_state_agent_full(kit->state, aw_state_find_agent(kit->state, aw_slice_str(name)));
}

static uint32_t
bit_of(const struct kit *kit, const char *channel)
{
    return 1U << aw_state_find_channel(kit->state, aw_slice_str(channel));
}

static struct aw_ticket_id
post(struct kit *kit, uint64_t who, const char *channel)
{
    static uint64_t id = 1000;

    id++;
    return kit_post(kit, (struct kit_post){.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL, .channel = channel}).ticket;
}

/* --- AGENT ---------------------------------------------------------------------------------------------------------------- */

static void
test_set(void **unused)
{
    static const uint32_t              lanes[] = {0, 2};
    static const struct aw_agent_units units[] = {{{"web", 3}, 3}, {{"mail", 4}, 0}};
    struct kit                         kit;
    struct aw_in_agent                 in = {.lanes = lanes,
                                             .lane_count = 2,
                                             .is_gentle = true,
                                             .units = units,
                                             .unit_count = 2,
                                             .units_total = 5,
                                             .if_match.version = 0};
    struct aw_command                  command;
    struct aw_agent_view               view;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(kit_lane(&kit, "nl", AW_LANE_OPEN, NULL).out.err, AW_OK);
    in.dry_run = true;
    command = set(&kit, "ann", in);
    assert_int_equal(command.out.err, AW_OK);
    assert_false(command.out.changed);
    assert_true(command.out.u.agent.created);
    assert_int_equal(aw_state_find_agent(kit.state, AW_SLICE("ann")), 0);
    in.dry_run = false;
    command = set(&kit, "ann", in);
    assert_true(command.out.changed && command.out.u.agent.created);
    assert_int_equal(command.out.event.kind, AW_EVENT_AGENT);
    assert_int_equal(command.out.event.slot, aw_state_find_agent(kit.state, AW_SLICE("ann")));
    view = view_of(&kit, "ann");
    assert_int_equal(view.version, 1);
    assert_int_equal(view.lane_count, 2);
    assert_int_equal(view.lanes[1], 2);
    assert_true(view.is_gentle);
    assert_int_equal(view.unit_count, 2);
    assert_int_equal(view.units_total, 5);
    assert_int_equal(full_of(&kit, "ann"), bit_of(&kit, "mail"));
    assert_false(set(&kit, "ann", in).out.changed); /* as asked already */
    in.if_match.version = 2;
    assert_int_equal(set(&kit, "ann", in).out.err, AW_E_PRECONDITION);
    in = plain;
    in.if_match.version = 1;
    command = set(&kit, "ann", in);
    assert_true(command.out.changed && !command.out.u.agent.created);
    view = view_of(&kit, "ann");
    assert_int_equal(view.version, 2);
    assert_int_equal(view.lane_count, 0);
    assert_false(view.is_gentle);
    assert_int_equal(view.unit_count, 0);
    assert_int_equal(full_of(&kit, "ann"), 0);
    kit_close(&kit);
}

static void
test_refused(void **unused)
{
    static const uint32_t              unsorted[] = {1, 0}, twice[] = {1, 1}, far[] = {0, 2};
    static const struct aw_agent_units same[] = {{{"web", 3}, 3}, {{"web", 3}, 1}}, many[] = {{{"web", 3}, 101}},
                                       none[] = {{{"", 0}, 1}};
    const struct aw_in_agent bad[] = {
        {.lanes = unsorted, .lane_count = 2, .units_total = 1}, {.lanes = twice, .lane_count = 2, .units_total = 1},
        {.lanes = far, .lane_count = 2, .units_total = 1},      {.lanes = far, .lane_count = 0, .units_total = 1},
        {.units = same, .unit_count = 2, .units_total = 1},     {.units = many, .unit_count = 1, .units_total = 1},
        {.units = none, .unit_count = 1, .units_total = 1},     {.units_total = AW_AGENT_UNITS_TOTAL_MAX + 1},
        {.barred = AW_CLASSES_ALL, .units_total = 1},           {.barred = 1U << AW_CLASS_COUNT, .units_total = 1},
    };
    struct kit kit;

    (void)unused;
    kit_open(&kit);
    for (size_t i = 0; i < AW_ARRAY_LEN(bad); i++)
        assert_int_equal(set(&kit, "ann", bad[i]).out.err, AW_E_BAD_VALUE);
    assert_int_equal(set(&kit, "", plain).out.err, AW_E_BAD_VALUE);
    kit_close(&kit);
}

/* Agents, and channels that have numbers, are limited: what finds no room changes nothing. */
static void
test_full_tables(void **unused)
{
    struct kit            kit;
    char                  name[16];
    struct aw_agent_units units = {{name, 0}, 1};
    struct aw_in_agent    in = {.units = &units, .unit_count = 1, .units_total = AW_UNITS_NO_TOTAL};

    (void)unused;
    kit_open(&kit);
    for (unsigned i = 0; i < AW_CHANNELS_MAX; i++) {
        units.channel.len = (size_t)snprintf(name, sizeof(name), "c%u", i);
        assert_int_equal(set(&kit, "ann", in).out.err, AW_OK);
    }
    units.channel.len = (size_t)snprintf(name, sizeof(name), "one more");
    assert_int_equal(set(&kit, "ann", in).out.err, AW_E_TABLE_FULL);
    assert_int_equal(view_of(&kit, "ann").version, AW_CHANNELS_MAX);
    for (unsigned i = 1; i < kit_limits().agents_max; i++) {
        (void)snprintf(name, sizeof(name), "a%u", i);
        assert_int_equal(set(&kit, name, plain).out.err, AW_OK);
    }
    assert_int_equal(set(&kit, "zed", plain).out.err, AW_E_TABLE_FULL);
    for (unsigned i = 0; i < 2; i++) { /* another refusal goes before */
        const struct aw_command command = {
            .kind = AW_COMMAND_AGENT,
            .in.agent = {.name = AW_SLICE("zed"), .units_total = AW_UNITS_NO_TOTAL, .if_match.version = i == 0 ? 0 : 7}};

        assert_int_equal(aw_state_admits(kit.state, &command), i == 0 ? AW_E_TABLE_FULL : AW_OK);
    }
    in = plain;
    in.if_match.version = 7;
    assert_int_equal(set(&kit, "zed", in).out.err, AW_E_PRECONDITION);
    assert_int_equal(set(&kit, "a1", (struct aw_in_agent){.units_total = 4}).out.err, AW_OK);
    kit_close(&kit);
}

static void
test_gentle_agents_are_limited(void **unused)
{
    struct aw_state_limits limits = kit_limits();
    struct aw_in_agent     in = {.is_gentle = true, .units_total = AW_UNITS_NO_TOTAL};
    struct kit             kit;
    char                   name[16];

    (void)unused;
    limits.agents_max = AW_GENTLE_AGENTS_MAX + 8;
    kit_open_with(&kit, &limits);
    for (unsigned i = 0; i < AW_GENTLE_AGENTS_MAX; i++) {
        struct aw_command command = {.kind = AW_COMMAND_AGENT, .in.agent = in};

        command.in.agent.name = aw_slice_of(name, (size_t)snprintf(name, sizeof(name), "a%u", i));
        aw_state_begin(kit.state, i + 1, kit.now);
        assert_int_equal(aw_state_apply(kit.state, &command), AW_OK);
    }
    assert_int_equal(set(&kit, "zed", in).out.err, AW_E_TABLE_FULL);
    assert_int_equal(set(&kit, "a7", in).out.err, AW_OK); /* it is marked already */
    assert_int_equal(set(&kit, "a7", plain).out.err, AW_OK);
    assert_int_equal(set(&kit, "zed", in).out.err, AW_OK);
    kit_close(&kit);
}

/* --- units ---------------------------------------------------------------------------------------------------------------- */

static void
check_held(const struct kit *kit, uint32_t web, uint32_t mail, uint32_t all)
{
    struct aw_agent_view view = view_of(kit, "ann");

    assert_int_equal(view.held[0], web);
    assert_int_equal(view.held[1], mail);
    assert_int_equal(view.leases, all);
}

static enum aw_err
try(struct kit *kit, struct aw_ticket_id ticket)
{
    return kit_try_lease(kit, ticket.slot, kit_view(kit, ticket).version, "ann", KIT_HOUR).out.err;
}

static void
test_units(void **unused)
{
    static const struct aw_agent_units units[] = {{{"web", 3}, 2}, {{"mail", 4}, 1}};
    struct kit                         kit;
    struct aw_ticket_id                web[4], mail[2], other;
    struct aw_lease_id                 lease;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(set(&kit, "ann", (struct aw_in_agent){.units = units, .unit_count = 2, .units_total = 3}).out.err, AW_OK);
    for (unsigned i = 0; i < 4; i++)
        web[i] = post(&kit, 10 + i, "web");
    for (unsigned i = 0; i < 2; i++)
        mail[i] = post(&kit, 20 + i, "mail");
    other = post(&kit, 30, "fax");
    lease = kit_lease(&kit, web[0], "ann", KIT_HOUR);
    assert_int_equal(full_of(&kit, "ann"), 0);
    (void)kit_lease(&kit, web[1], "ann", KIT_HOUR);
    check_held(&kit, 2, 0, 2);
    assert_int_equal(full_of(&kit, "ann"), bit_of(&kit, "web"));
    assert_int_equal(try(&kit, web[2]), AW_E_STALE);
    assert_int_equal(try(&kit, mail[0]), AW_OK);
    assert_int_equal(full_of(&kit, "ann"), UINT16_MAX); /* three in all */
    assert_int_equal(try(&kit, other), AW_E_STALE);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 1).out.err, AW_OK);
    check_held(&kit, 1, 1, 2);
    assert_int_equal(full_of(&kit, "ann"), bit_of(&kit, "mail"));
    assert_int_equal(try(&kit, mail[1]), AW_E_STALE);
    assert_int_equal(try(&kit, other), AW_OK);
    check_held(&kit, 1, 1, 3);
    /* A bob without units takes what he likes. */
    assert_int_equal(kit_try_lease(&kit, web[2].slot, kit_view(&kit, web[2]).version, "bob", KIT_HOUR).out.err, AW_OK);
    /* More units free what waits; none at all refuses, and leaves what is held. */
    assert_int_equal(set(&kit, "ann", (struct aw_in_agent){.units_total = 4}).out.err, AW_OK);
    assert_int_equal(try(&kit, mail[1]), AW_OK);
    assert_int_equal(set(&kit, "ann", (struct aw_in_agent){.units_total = 0}).out.err, AW_OK);
    assert_int_equal(view_of(&kit, "ann").leases, 4);
    assert_int_equal(try(&kit, web[3]), AW_E_STALE);
    kit_close(&kit);
}

/* Every way that a lease ends gives its unit back, and a follow-up on another channel moves it there. */
static void
test_every_end_gives_back(void **unused)
{
    static const struct aw_agent_units units[] = {{{"web", 3}, 9}, {{"mail", 4}, 1}};
    struct kit                         kit;
    struct aw_ticket_id                ticket;
    struct aw_lease_id                 lease;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(set(&kit, "ann", (struct aw_in_agent){.units = units, .unit_count = 2, .units_total = 9}).out.err, AW_OK);
    ticket = post(&kit, 1, "web");
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    check_held(&kit, 1, 0, 1);
    kit_complete(&kit, lease, "ann");
    check_held(&kit, 0, 0, 0);
    (void)post(&kit, 1, "mail"); /* reopens */
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    check_held(&kit, 0, 1, 1);
    assert_int_equal(full_of(&kit, "ann"), bit_of(&kit, "mail"));
    (void)post(&kit, 1, "web"); /* the newest message counts */
    check_held(&kit, 1, 0, 1);
    assert_int_equal(full_of(&kit, "ann"), 0);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 1).out.err, AW_OK);
    check_held(&kit, 1, 0, 1);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_DECLINE, lease, "ann", 2).out.err, AW_OK);
    check_held(&kit, 0, 0, 0);
    (void)kit_wait(&kit, KIT_HOUR);
    (void)kit_lease(&kit, ticket, "ann", KIT_MINUTE);
    check_held(&kit, 1, 0, 1);
    (void)kit_wait(&kit, 2 * KIT_MINUTE); /* it runs out */
    check_held(&kit, 0, 0, 0);
    (void)kit_lease(&kit, ticket, "ann", KIT_MINUTE);
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_CANCEL, ticket, 0, 0).out.err, AW_OK);
    check_held(&kit, 0, 0, 0);
    kit_close(&kit);
}

/* Told once for each change of what can be seen, and not for what changes nothing. */
static void
test_changed_agents(void **unused)
{
    struct kit         kit;
    struct aw_lease_id lease;
    uint32_t           ann;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(aw_state_take_changed_agent(kit.state), 0);
    assert_int_equal(set(&kit, "ann", (struct aw_in_agent){.units_total = 1}).out.err, AW_OK);
    ann = aw_state_find_agent(kit.state, AW_SLICE("ann"));
    assert_int_equal(aw_state_take_changed_agent(kit.state), ann);
    assert_int_equal(aw_state_take_changed_agent(kit.state), 0);
    (void)kit_lease(&kit, post(&kit, 1, "web"), "bob", KIT_HOUR); /* who was never set may have a stream */
    assert_int_equal(aw_state_take_changed_agent(kit.state), aw_state_find_agent(kit.state, AW_SLICE("bob")));
    assert_int_equal(aw_state_take_changed_agent(kit.state), 0);
    lease = kit_lease(&kit, post(&kit, 2, "web"), "ann", KIT_HOUR);
    assert_int_equal(aw_state_take_changed_agent(kit.state), ann);
    kit_complete(&kit, lease, "ann");
    assert_int_equal(aw_state_take_changed_agent(kit.state), ann);
    assert_int_equal(aw_state_take_changed_agent(kit.state), 0);
    kit_close(&kit);
}

/* --- presence ------------------------------------------------------------------------------------------------------------- */

static enum aw_err
be(struct kit *kit, const char *name, enum aw_presence presence)
{
    struct aw_command command = {.kind = AW_COMMAND_PRESENCE,
                                 .in.presence = {.name = aw_slice_str(name), .presence = presence, .by = AW_SLICE("sam")}};

    return kit_apply(kit, &command);
}

static void
check_presences(const struct kit *kit, uint64_t ready, uint64_t on_break, uint64_t leaving, uint64_t gone)
{
    struct aw_state_counts counts;

    aw_state_counts(kit->state, &counts);
    assert_int_equal(counts.by_presence[AW_PRESENCE_READY], ready);
    assert_int_equal(counts.by_presence[AW_PRESENCE_WRAP_UP], 0);
    assert_int_equal(counts.by_presence[AW_PRESENCE_BREAK], on_break);
    assert_int_equal(counts.by_presence[AW_PRESENCE_LEAVING], leaving);
    assert_int_equal(counts.by_presence[AW_PRESENCE_GONE], gone);
}

/* Only who is ready is given tickets; what is held goes on; who leaves is gone with the last lease. */
static void
test_presence(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id first, second;
    struct aw_lease_id  lease;
    struct aw_units     units;
    uint32_t            ann;

    (void)unused;
    kit_open(&kit);
    first = post(&kit, 1, "web");
    second = post(&kit, 2, "web");
    lease = kit_lease(&kit, first, "ann", KIT_HOUR);
    ann = aw_state_find_agent(kit.state, AW_SLICE("ann"));
    assert_int_equal(be(&kit, "ann", AW_PRESENCE_BREAK), AW_OK);
    assert_int_equal(be(&kit, "ann", AW_PRESENCE_BREAK), AW_OK); /* kit_apply: it changes nothing then */
    assert_int_equal(view_of(&kit, "ann").presence, AW_PRESENCE_BREAK);
    assert_int_equal(view_of(&kit, "ann").version, 0); /* it is none of what she is set to */
    check_presences(&kit, 0, 1, 0, 0);
    assert_int_equal(aw_state_agent_full(kit.state, ann), UINT16_MAX);
    aw_state_agent_units(kit.state, ann, &units);
    assert_int_equal(units.free[0], 0);
    assert_false(aw_state_may_take(kit.state, second.slot, ann));
    assert_int_equal(kit_try_lease(&kit, second.slot, kit_view(&kit, second).version, "ann", KIT_HOUR).out.err, AW_E_STALE);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "ann", 0).out.err, AW_OK);
    assert_int_equal(set(&kit, "ann", (struct aw_in_agent){.units_total = 9}).out.err, AW_OK);
    assert_int_equal(aw_state_agent_full(kit.state, ann), UINT16_MAX); /* settings do not call her back */
    assert_int_equal(be(&kit, "ann", AW_PRESENCE_LEAVING), AW_OK);
    assert_int_equal(view_of(&kit, "ann").presence, AW_PRESENCE_LEAVING);
    check_presences(&kit, 0, 0, 1, 0);
    kit_complete(&kit, lease, "ann");
    assert_int_equal(view_of(&kit, "ann").presence, AW_PRESENCE_GONE);
    check_presences(&kit, 0, 0, 0, 1);
    assert_int_equal(be(&kit, "ann", AW_PRESENCE_GONE), AW_E_BAD_VALUE);
    assert_int_equal(be(&kit, "", AW_PRESENCE_READY), AW_E_BAD_VALUE);
    assert_int_equal(be(&kit, "ann", AW_PRESENCE_READY), AW_OK);
    assert_int_equal(kit_try_lease(&kit, second.slot, kit_view(&kit, second).version, "ann", KIT_HOUR).out.err, AW_OK);
    check_presences(&kit, 1, 0, 0, 0);
    kit_close(&kit);
}

/* Nothing is kept for who is on a break. */
static void
test_nothing_is_kept_for_who_is_away(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;

    (void)unused;
    kit_open(&kit);
    ticket = kit_answered(&kit, 1, 1); /* by ann */
    (void)kit_lease(&kit, post(&kit, 3, "web"), "ann", KIT_HOUR);
    assert_int_equal(be(&kit, "ann", AW_PRESENCE_WRAP_UP), AW_OK);
    assert_int_equal(kit_post(&kit, (struct kit_post){.id = 2, .who = {1}, .class_ = AW_CLASS_GENERAL}).ticket.slot, ticket.slot);
    assert_int_equal(aw_state_kept_for(kit.state, ticket.slot).len, 0);
    kit_close(&kit);
}

/* Agents that only have a presence take rows of the same table. */
static void
test_presence_is_limited(void **unused)
{
    struct kit kit;
    char       name[16];

    (void)unused;
    kit_open(&kit);
    for (unsigned i = 0; i < kit_limits().agents_max; i++) {
        (void)snprintf(name, sizeof(name), "a%u", i);
        assert_int_equal(be(&kit, name, AW_PRESENCE_BREAK), AW_OK);
    }
    assert_int_equal(be(&kit, "zed", AW_PRESENCE_BREAK), AW_E_TABLE_FULL);
    assert_int_equal(be(&kit, "a1", AW_PRESENCE_READY), AW_OK);
    kit_close(&kit);
}

/* --- classes -------------------------------------------------------------------------------------------------------------- */

static struct aw_command
bar(struct kit *kit, const char *name, unsigned barred)
{
    return set(kit, name, (struct aw_in_agent){.barred = (uint8_t)barred, .units_total = AW_UNITS_NO_TOTAL});
}

/* What it is not given it never gets: no lease, nothing kept, nothing handed over. What it holds it keeps, whatever its class by
 * then; set anew, it is given all. */
static void
test_classes(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id care, general;
    struct aw_lease_id  lease;
    const unsigned      urgent = 1U << AW_CLASS_CARE | 1U << AW_CLASS_IMMINENT;

    (void)unused;
    kit_open(&kit);
    assert_true(bar(&kit, "vol", urgent).out.changed);
    assert_int_equal(view_of(&kit, "vol").barred, urgent);
    assert_false(bar(&kit, "vol", urgent).out.changed);
    care = kit_post(&kit, (struct kit_post){.id = 1, .who = {1}, .class_ = AW_CLASS_CARE}).ticket;
    general = kit_post(&kit, (struct kit_post){.id = 2, .who = {2}, .class_ = AW_CLASS_GENERAL}).ticket;
    assert_int_equal(kit_try_lease(&kit, care.slot, kit_view(&kit, care).version, "vol", KIT_MINUTE).out.err, AW_E_STALE);
    lease = kit_lease(&kit, general, "vol", KIT_MINUTE);
    /* It becomes care in her hands: she goes on with it, and may complete it; then it is for others. */
    (void)kit_post(&kit, (struct kit_post){.id = 3, .who = {2}, .class_ = AW_CLASS_CARE});
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_EXTEND, lease, "vol", 1).out.err, AW_OK);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "vol", 2).out.err, AW_OK);
    assert_int_equal(kit_try_lease(&kit, general.slot, kit_view(&kit, general).version, "vol", KIT_MINUTE).out.err, AW_E_STALE);
    assert_int_equal(bar(&kit, "vol", 0).out.err, AW_OK);
    assert_int_equal(kit_try_lease(&kit, general.slot, kit_view(&kit, general).version, "vol", KIT_MINUTE).out.err, AW_OK);
    kit_close(&kit);
}

/* A ticket that reopens is kept for its agent, but not of a class that this one is not given; nor is it when that changes. */
static void
test_nothing_is_kept_of_other_classes(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;

    (void)unused;
    kit_open(&kit);
    for (uint64_t who = 1; who <= 2; who++) {
        ticket = kit_post(&kit, (struct kit_post){.id = 10 * who, .who = {who}, .class_ = AW_CLASS_OTHER}).ticket;
        kit_complete(&kit, kit_lease(&kit, ticket, "vol", KIT_MINUTE), "vol");
        assert_int_equal(bar(&kit, "vol", who == 1 ? 0 : 1U << AW_CLASS_DISRUPTED).out.err, AW_OK);
        (void)kit_post(&kit, (struct kit_post){.id = 10 * who + 1, .who = {who}, .class_ = AW_CLASS_OTHER});
        assert_true(kit_view(&kit, ticket).is_aside);
        (void)kit_post(&kit, (struct kit_post){.id = 10 * who + 2, .who = {who}, .class_ = AW_CLASS_DISRUPTED});
        assert_int_equal(kit_view(&kit, ticket).is_aside, who == 1);
    }
    kit_close(&kit);
}

/* --- gentle --------------------------------------------------------------------------------------------------------------- */

static struct aw_ticket_id
post_gentle(struct kit *kit, uint64_t who, enum aw_class class_)
{
    static uint64_t id = 5000;

    id++;
    return kit_post(kit, (struct kit_post){.id = id, .who = {who}, .class_ = class_, .gentle = true}).ticket;
}

static void
mark_gentle(struct kit *kit, const char *name)
{
    assert_int_equal(set(kit, name, (struct aw_in_agent){.is_gentle = true, .units_total = AW_UNITS_NO_TOTAL}).out.err, AW_OK);
}

static bool
may(const struct kit *kit, struct aw_ticket_id ticket, const char *name)
{
    return aw_state_may_take(kit->state, ticket.slot, aw_state_find_agent(kit->state, aw_slice_str(name)));
}

static void
test_gentle_first(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;

    (void)unused;
    kit_open(&kit);
    mark_gentle(&kit, "gia");
    ticket = post_gentle(&kit, 1, AW_CLASS_GENERAL);
    assert_false(kit_view(&kit, ticket).is_aside); /* she was marked, but is not there */
    lease = kit_lease(&kit, ticket, "gia", KIT_HOUR);
    ticket = post_gentle(&kit, 2, AW_CLASS_GENERAL);
    assert_true(kit_view(&kit, ticket).is_aside);
    assert_true(aw_state_is_for_gentle(kit.state, ticket.slot));
    assert_true(may(&kit, ticket, "gia"));
    assert_false(may(&kit, ticket, "ann"));
    assert_int_equal(aw_state_aside_count_for(kit.state, 0), 0);
    assert_int_equal(aw_state_aside_count_for(kit.state, aw_state_find_agent(kit.state, AW_SLICE("gia"))), 1);
    assert_int_equal(try(&kit, ticket), AW_E_STALE);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), 1); /* then it is for all */
    assert_false(kit_view(&kit, ticket).is_aside);
    assert_int_equal(try(&kit, ticket), AW_OK);
    kit_complete(&kit, lease, "gia");
    (void)kit_wait(&kit, 14 * KIT_MINUTE);
    assert_true(kit_view(&kit, post_gentle(&kit, 3, AW_CLASS_GENERAL)).is_aside); /* she was there a moment ago */
    (void)kit_wait(&kit, 2 * KIT_MINUTE);
    assert_false(kit_view(&kit, post_gentle(&kit, 4, AW_CLASS_GENERAL)).is_aside);
    kit_close(&kit);
}

/* Back from a lease, however that ended, it is for all: it was offered. */
static void
test_gentle_is_offered_once(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;

    (void)unused;
    kit_open(&kit);
    mark_gentle(&kit, "gia");
    (void)kit_lease(&kit, post(&kit, 1, "web"), "gia", KIT_DAY);
    ticket = post_gentle(&kit, 2, AW_CLASS_GENERAL);
    lease = kit_lease(&kit, ticket, "gia", KIT_HOUR);
    assert_int_equal(aw_state_aside_count(kit.state), 0);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "gia", 1).out.event.kind, AW_EVENT_QUEUED);
    assert_false(kit_view(&kit, ticket).is_aside);
    assert_int_equal(try(&kit, ticket), AW_OK);
    ticket = post_gentle(&kit, 3, AW_CLASS_GENERAL);
    assert_true(kit_view(&kit, ticket).is_aside);
    lease = kit_lease(&kit, ticket, "gia", KIT_HOUR);
    assert_int_equal(kit_fenced(&kit, AW_COMMAND_DECLINE, lease, "gia", 2).out.event.kind, AW_EVENT_ASIDE);
    assert_false(aw_state_is_for_gentle(kit.state, ticket.slot));
    assert_false(may(&kit, ticket, "gia"));
    assert_int_equal(try(&kit, ticket), AW_OK);
    ticket = post_gentle(&kit, 4, AW_CLASS_GENERAL);
    assert_true(kit_view(&kit, ticket).is_aside);
    (void)kit_lease(&kit, ticket, "gia", KIT_MINUTE / 2);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE / 2), 1); /* it runs out */
    assert_false(kit_view(&kit, ticket).is_aside);
    kit_close(&kit);
}

/* Where minutes matter nobody waits; nor does what is not gentle, nor in a lane that no such agent serves. */
static void
test_gentle_is_not_for_all(void **unused)
{
    static const uint32_t only[] = {2};
    struct kit            kit;
    struct aw_ticket_id   ticket;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(kit_lane(&kit, "nl", AW_LANE_OPEN, NULL).out.err, AW_OK);
    mark_gentle(&kit, "gia");
    (void)kit_lease(&kit, post(&kit, 1, "web"), "gia", KIT_DAY);
    assert_false(kit_view(&kit, post_gentle(&kit, 2, AW_CLASS_CARE)).is_aside);
    ticket = kit_post(&kit,
                      (struct kit_post){
                          .id = 1, .who = {3}, .class_ = AW_CLASS_DISRUPTED, .departs_at = kit.now + KIT_HOUR, .gentle = true})
                 .ticket;
    assert_int_equal(kit_view(&kit, ticket).class_, AW_CLASS_IMMINENT);
    assert_false(kit_view(&kit, ticket).is_aside);
    assert_false(kit_view(&kit, post(&kit, 4, "web")).is_aside);
    /* One that lies aside and becomes urgent goes to its queue at once. */
    ticket = post_gentle(&kit, 5, AW_CLASS_GENERAL);
    assert_true(kit_view(&kit, ticket).is_aside);
    (void)kit_post(&kit, (struct kit_post){.id = 2, .who = {5}, .class_ = AW_CLASS_CARE});
    assert_false(kit_view(&kit, ticket).is_aside);
    assert_int_equal(
        set(&kit, "gia",
            (struct aw_in_agent){.is_gentle = true, .lanes = only, .lane_count = 1, .units_total = AW_UNITS_NO_TOTAL})
            .out.err,
        AW_OK);
    assert_false(kit_view(&kit, post_gentle(&kit, 6, AW_CLASS_GENERAL)).is_aside);
    ticket =
        kit_post(&kit, (struct kit_post){.id = 3, .who = {7}, .class_ = AW_CLASS_GENERAL, .lane = "nl", .gentle = true}).ticket;
    assert_true(kit_view(&kit, ticket).is_aside);
    kit_close(&kit);
}

/* Who answered it goes before those who are gentle; and many gentle tickets leave half of the rows to others. */
static void
test_gentle_gives_way(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    unsigned            aside = 0;

    (void)unused;
    kit_open(&kit);
    mark_gentle(&kit, "gia");
    (void)kit_lease(&kit, post(&kit, 1, "web"), "gia", KIT_DAY);
    ticket = kit_answered(&kit, 1, 2);
    assert_int_equal(post_gentle(&kit, 2, AW_CLASS_GENERAL).slot, ticket.slot);
    assert_true(may(&kit, ticket, "ann"));
    assert_false(may(&kit, ticket, "gia"));
    for (unsigned i = 0; i < 20; i++)
        aside += kit_view(&kit, post_gentle(&kit, 10 + i, AW_CLASS_GENERAL)).is_aside;
    assert_int_equal(aside + 1, kit_limits().asides_max / 2);
    assert_int_equal(aw_state_aside_count(kit.state), kit_limits().asides_max / 2);
    (void)kit_wait(&kit, KIT_MINUTE);
    assert_int_equal(aw_state_aside_count(kit.state), 1); /* what is kept, for longer */
    assert_true(kit_view(&kit, post_gentle(&kit, 40, AW_CLASS_GENERAL)).is_aside);
    kit_close(&kit);
}

/* --- checkpoints ---------------------------------------------------------------------------------------------------------- */

/* A fresh state that reads the checkpoint of this one. */
static struct aw_state *
read_back(struct kit *kit)
{
    struct aw_state_limits    limits = kit_limits();
    struct aw_state          *copy;
    struct aw_checkpoint_mark mark;
    struct aw_chunk           chunk;
    struct aw_why             why;

    assert_int_equal(aw_state_new(&copy, &limits, KIT_SHARD, &why), AW_OK);
    assert_true(aw_state_cut_begin(kit->state, &mark));
    while (aw_state_cut_next(kit->state, &chunk, &mark))
        assert_int_equal(aw_state_load_chunk(copy, &chunk, &why), AW_OK);
    aw_state_cut_end(kit->state);
    if (aw_state_load_finish(copy, &mark, &why) != AW_OK)
        fail_msg("%s", why.text);
    return copy;
}

static void
test_read_back(void **unused)
{
    static const uint32_t              lanes[] = {1};
    static const struct aw_agent_units units[] = {{{"web", 3}, 2}, {{"mail", 4}, 0}};
    struct kit                         kit, again;
    struct aw_ticket_id                ticket;
    struct aw_agent_view               view;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(
        set(&kit, "ann",
            (struct aw_in_agent){
                .lanes = lanes, .lane_count = 1, .units = units, .unit_count = 2, .units_total = 7, .is_gentle = true})
            .out.err,
        AW_OK);
    mark_gentle(&kit, "gia");
    kit_complete(&kit, kit_lease(&kit, post(&kit, 1, "web"), "gia", KIT_HOUR), "gia");
    (void)kit_lease(&kit, post(&kit, 2, "web"), "ann", KIT_HOUR);
    (void)kit_lease(&kit, post(&kit, 3, "web"), "ann", KIT_HOUR);
    ticket = post_gentle(&kit, 4, AW_CLASS_GENERAL);
    assert_true(kit_view(&kit, ticket).is_aside);
    again = (struct kit){.state = read_back(&kit), .now = kit.now};
    assert_true(aw_hash128_eq(aw_state_digest(kit.state), aw_state_digest(again.state)));
    view = view_of(&again, "ann");
    assert_int_equal(view.version, 1);
    assert_int_equal(view.lane_count, 1);
    assert_int_equal(view.lanes[0], 1);
    assert_int_equal(view.held[0], 2);
    assert_int_equal(view.leases, 2);
    assert_int_equal(full_of(&again, "ann"), bit_of(&kit, "web") | bit_of(&kit, "mail"));
    assert_int_equal(full_of(&again, "gia"), 0);
    assert_true(may(&again, ticket, "gia"));
    assert_false(may(&again, ticket, "bob"));
    assert_int_not_equal(aw_state_take_changed_agent(again.state), 0); /* all that were set are to be published */
    assert_int_not_equal(aw_state_take_changed_agent(again.state), 0);
    assert_int_equal(aw_state_take_changed_agent(again.state), 0);
    /* Both go on alike: gia is still there, the number of gentle rows too. */
    (void)post_gentle(&kit, 5, AW_CLASS_GENERAL);
    assert_int_equal(aw_state_aside_count(kit.state), 2);
    assert_true(
        kit_view(&again,
                 kit_post(&again, (struct kit_post){.id = 1, .who = {5}, .class_ = AW_CLASS_GENERAL, .gentle = true}).ticket)
            .is_aside);
    assert_int_equal(kit_wait(&kit, KIT_MINUTE), kit_wait(&again, KIT_MINUTE));
    assert_int_equal(aw_state_aside_count_for(again.state, aw_state_find_agent(again.state, AW_SLICE("gia"))), 0);
    aw_state_free(&again.state);
    kit_close(&kit);
}

/* Who leaves, with a lease and without one, and who is on a break though never set: the same after a checkpoint. */
static void
test_presence_is_read_back(void **unused)
{
    struct kit         kit, again;
    struct aw_lease_id lease;

    (void)unused;
    kit_open(&kit);
    lease = kit_lease(&kit, post(&kit, 1, "web"), "ann", KIT_HOUR);
    assert_int_equal(be(&kit, "ann", AW_PRESENCE_LEAVING), AW_OK);
    assert_int_equal(be(&kit, "bob", AW_PRESENCE_LEAVING), AW_OK);
    assert_int_equal(be(&kit, "cas", AW_PRESENCE_BREAK), AW_OK);
    check_presences(&kit, 0, 1, 1, 1);
    again = (struct kit){.state = read_back(&kit), .now = kit.now};
    check_presences(&again, 0, 1, 1, 1);
    assert_int_equal(full_of(&again, "cas"), UINT16_MAX);
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(aw_state_take_changed_agent(again.state), 0); /* none of them is to be given tickets */
    kit_complete(&again, lease, "ann");
    check_presences(&again, 0, 1, 0, 2);
    aw_state_free(&again.state);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full_tables),
        cmocka_unit_test(test_gentle_agents_are_limited),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_every_end_gives_back),
        cmocka_unit_test(test_changed_agents),
        cmocka_unit_test(test_presence),
        cmocka_unit_test(test_nothing_is_kept_for_who_is_away),
        cmocka_unit_test(test_presence_is_limited),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_nothing_is_kept_of_other_classes),
        cmocka_unit_test(test_gentle_first),
        cmocka_unit_test(test_gentle_is_offered_once),
        cmocka_unit_test(test_gentle_is_not_for_all),
        cmocka_unit_test(test_gentle_gives_way),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_presence_is_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
