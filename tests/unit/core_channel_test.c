/* Proves what the state knows of channels: their numbers, which of them have a shelf, and that a ticket is on the shelf of its
 * newest message's channel, however messages come to it and leave it. Agents' units are core_agent_test's. */
#include "core/rows.h" /* the size of a chunk */
#include "core/told.h"
#include "core_kit.h"

#include <stdio.h>

/* An agent's units name it: from then on it has a shelf. */
static void
give_units(struct kit *kit, const char *channel, uint32_t units)
{
    const struct aw_agent_units one = {.channel = aw_slice_str(channel), .units = units};
    struct aw_command           command = {
                  .kind = AW_COMMAND_AGENT,
                  .in.agent = {.name = AW_SLICE("desk"), .units = &one, .unit_count = 1, .units_total = AW_UNITS_NO_TOTAL}};

    assert_int_equal(kit_apply(kit, &command), AW_OK);
    command.in.agent.units = NULL;
}

static struct aw_command
post(struct kit *kit, uint64_t id, uint64_t who, const char *channel)
{
    struct aw_command command =
        kit_try_post(kit, (struct kit_post){.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL, .channel = channel});

    assert_int_equal(command.out.err, AW_OK);
    return command;
}

static void
test_numbers(void **unused)
{
    struct kit kit;

    (void)unused;
    kit_open(&kit);
    assert_int_equal(aw_state_channel_count(kit.state), 0);
    assert_int_equal(aw_state_find_channel(kit.state, AW_SLICE("mail")), 0);
    for (uint32_t i = 1; i <= 20; i++) {
        char              name[8];
        struct aw_command command;
        struct aw_slice   told;
        const uint32_t    number = i <= AW_CHANNELS_TOLD_MAX ? i : 0;

        (void)snprintf(name, sizeof(name), "c%u", i);
        command = post(&kit, i, i, name);
        assert_int_equal(kit_view(&kit, command.out.u.message.ticket).channel, number);
        assert_int_equal(aw_state_find_channel(kit.state, aw_slice_str(name)), number);
        told = aw_state_channel_name(kit.state, number);
        assert_true(aw_slice_eq(told, aw_slice_str(number == 0 ? "" : name)));
    }
    assert_int_equal(aw_state_channel_count(kit.state), AW_CHANNELS_TOLD_MAX);
    assert_int_equal(kit_view(&kit, post(&kit, 100, 100, "c3").out.u.message.ticket).channel, 3);
    assert_int_equal(aw_state_shelves(kit.state), 1);
    /* However many names gateways tell, there are numbers for units. */
    give_units(&kit, "c20", 1);
    assert_int_equal(kit_view(&kit, post(&kit, 101, 101, "c20").out.u.message.ticket).channel, AW_CHANNELS_TOLD_MAX + 1);
    kit_close(&kit);
}

/* Where no channel has a shelf, writing on another one moves nothing. */
static void
test_follow_up_on_another_channel(void **unused)
{
    struct kit            kit;
    struct aw_command     command;
    struct aw_ticket_view before, after;

    (void)unused;
    kit_open(&kit);
    command = post(&kit, 1, 1, "mail");
    before = kit_view(&kit, command.out.u.message.ticket);
    kit.now += KIT_MINUTE;
    command = post(&kit, 2, 1, "whatsapp");
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    assert_int_equal(kit_view(&kit, before.ticket).channel, 2);
    give_units(&kit, "whatsapp", 3);
    assert_int_equal(aw_state_shelves(kit.state), 1 | 1 << 2);
    after = kit_view(&kit, before.ticket);
    assert_int_equal(after.version, before.version); /* it moves without a record (commit/publish.c) */
    assert_int_equal(after.shelf, 2);
    command = post(&kit, 3, 1, "whatsapp");
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    command = post(&kit, 4, 1, "mail");
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.shelf, 0);
    assert_int_equal(command.out.event.age, before.age); /* nobody loses a place by it */
    assert_true(command.out.event.version != before.version);
    command = post(&kit, 5, 1, "web"); /* none of both has a shelf */
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    command = post(&kit, 6, 1, "whatsapp");
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.shelf, 2);
    kit_close(&kit);
}

/* What is held or leased comes back to the shelf of what was written meanwhile; so does one that reopens. */
static void
test_comes_back_to_its_shelf(void **unused)
{
    struct kit          kit;
    struct aw_ticket_id ticket;
    struct aw_lease_id  lease;
    struct aw_command   command;

    (void)unused;
    kit_open(&kit);
    give_units(&kit, "whatsapp", 1); /* number 1 */
    ticket = post(&kit, 1, 1, "mail").out.u.message.ticket;
    assert_int_equal(kit_on_ticket(&kit, AW_COMMAND_HOLD, ticket, 0, 0).out.err, AW_OK);
    command = post(&kit, 2, 1, "whatsapp");
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    command = kit_on_ticket(&kit, AW_COMMAND_UNHOLD, ticket, 0, 0);
    assert_int_equal(command.out.event.shelf, 1);
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    command = post(&kit, 3, 1, "mail");
    assert_int_equal(command.out.event.kind, AW_EVENT_NONE);
    command = kit_fenced(&kit, AW_COMMAND_RELEASE, lease, "ann", 1);
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.shelf, 0);
    lease = kit_lease(&kit, ticket, "ann", KIT_HOUR);
    kit_complete(&kit, lease, "ann");
    kit.now += KIT_HOUR; /* it is kept for nobody */
    command = post(&kit, 4, 1, "whatsapp");
    assert_true(command.out.u.message.reopened);
    assert_int_equal(command.out.event.shelf, 1);
    assert_int_equal(kit_view(&kit, ticket).channel, 1);
    kit_close(&kit);
}

/* The second and the fourth of four messages, apart from the others. */
static struct aw_command
unfold(struct kit *kit, aw_ms reply_by, aw_ms at)
{
    static const char *const channels[] = {"mail", "whatsapp", "mail", "whatsapp"};
    static struct aw_telling taken, left;
    static uint64_t          out[2];
    struct aw_command        command = {.kind = AW_COMMAND_UNFOLD, .in.unfold = {.messages = out, .message_count = 2}};
    struct aw_in_unfold     *in = &command.in.unfold;

    taken = left = (struct aw_telling){.told = {.messages = 0}};
    for (uint64_t i = 0; i < 4; i++) {
        struct kit_post words = {
            .id = i + 1, .who = {1}, .class_ = AW_CLASS_GENERAL, .channel = channels[i], .reply_by = reply_by};
        struct kit_room   room;
        struct aw_command message = kit_message(&words, &room);

        assert_int_equal(kit_apply(kit, &message), AW_OK);
        in->on.ticket = message.out.u.message.ticket;
        in->newest_seq = message.out.seq;
        aw_telling_add(i % 2 != 0 ? &taken : &left, aw_state_settings(kit->state), &message.in.message, message.out.seq,
                       kit->now);
        if (i % 2 != 0)
            out[i / 2] = message.out.seq;
    }
    assert_int_equal(kit_view(kit, in->on.ticket).shelf, 1);
    in->on.by = AW_SLICE("sam");
    in->messages_total = 4;
    in->taken = *aw_telling_end(&taken);
    in->left = *aw_telling_end(&left);
    kit->now = at;
    assert_int_equal(kit_apply(kit, &command), AW_OK);
    return command;
}

/* The messages of one ticket, apart: each ticket has the channel of its own newest, and the one that stays moves by a TIMER. */
static void
test_unfold(void **unused)
{
    struct kit          kit;
    struct aw_command   command;
    struct aw_ticket_id ticket;
    uint32_t            version;

    (void)unused;
    kit_open(&kit);
    give_units(&kit, "whatsapp", 1);
    command = unfold(&kit, 0, kit.now);
    ticket = command.in.unfold.on.ticket;
    version = kit_view(&kit, ticket).version;
    assert_int_equal(command.out.event.kind, AW_EVENT_QUEUED);
    assert_int_equal(command.out.event.shelf, 1);
    assert_int_equal(kit_view(&kit, command.out.u.ticket.ticket).channel, 1);
    assert_int_equal(kit_view(&kit, ticket).channel, 2);
    assert_int_equal(kit_wait(&kit, 0), 1);
    assert_true(kit_view(&kit, ticket).version != version);
    assert_int_equal(kit_view(&kit, ticket).shelf, 0);
    assert_int_equal(kit_wait(&kit, 0), 0);
    kit_close(&kit);
}

/* It moves also when its channel comes near to closing, or closes, before the TIMER runs. */
static void
test_unfold_as_it_closes(void **unused)
{
    const aw_ms reply_by = KIT_START + KIT_DAY;
    /* General ones take 6 min. */
    const aw_ms changes_at[] = {reply_by - AW_CLOSING_MS, reply_by - 6 * KIT_MINUTE + 1};

    (void)unused;
    for (unsigned i = 0; i < AW_ARRAY_LEN(changes_at); i++) {
        struct kit          kit;
        struct aw_command   command, timer;
        struct aw_ticket_id ticket;
        uint32_t            version;

        kit_open(&kit);
        give_units(&kit, "whatsapp", 1);
        command = unfold(&kit, reply_by, changes_at[i] - 1);
        ticket = command.in.unfold.on.ticket;
        version = kit_view(&kit, ticket).version;
        kit.now = changes_at[i];
        timer = (struct aw_command){.kind = AW_COMMAND_TIMER, .in.timer = {.slot = ticket.slot, .version = version}};
        assert_int_equal(kit_apply(&kit, &timer), AW_OK);
        assert_int_equal(timer.out.event.kind, AW_EVENT_QUEUED);
        assert_int_equal(timer.out.event.shelf, 0);
        assert_int_equal(timer.out.event.closing, i == 0);
        kit_close(&kit);
    }
}

/* Numbers and shelves come back with a checkpoint; what an agent's units once named keeps its shelf. */
static void
test_checkpoint(void **unused)
{
    static char               bytes[64][AW_CUT_BYTES];
    struct kit                kit;
    struct aw_state          *state;
    struct aw_chunk           chunk, chunks[64];
    struct aw_checkpoint_mark mark;
    struct aw_why             why;
    uint32_t                  count = 0;

    (void)unused;
    kit_open(&kit);
    (void)post(&kit, 1, 1, "mail");
    give_units(&kit, "whatsapp", 1);
    give_units(&kit, "web", 1);
    (void)post(&kit, 2, 2, "whatsapp");
    assert_true(aw_state_cut_begin(kit.state, &mark));
    for (; aw_state_cut_next(kit.state, &chunk, &mark); count++) {
        assert_in_range(count, 0, 63);
        memcpy(bytes[count], chunk.bytes.ptr, chunk.bytes.len);
        chunks[count] = chunk;
        chunks[count].bytes.ptr = bytes[count];
    }
    aw_state_cut_end(kit.state);
    {
        const struct aw_state_limits limits = kit_limits();

        assert_int_equal(aw_state_new(&state, &limits, KIT_SHARD, &why), AW_OK);
    }
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(aw_state_load_chunk(state, &chunks[i], &why), AW_OK);
    assert_int_equal(aw_state_load_finish(state, &mark, &why), AW_OK);
    assert_int_equal(aw_state_shelves(state), 1 | 1 << 2 | 1 << 3);
    assert_int_equal(aw_state_find_channel(state, AW_SLICE("mail")), 1);
    assert_int_equal(aw_state_find_channel(state, AW_SLICE("web")), 3);
    assert_true(aw_hash128_eq(aw_state_digest(state), aw_state_digest(kit.state)));
    assert_true(aw_hash128_eq(aw_state_digest(state), aw_state_digest_slow(state)));
    aw_state_free(&state);
    kit_close(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_follow_up_on_another_channel),
                                       cmocka_unit_test(test_comes_back_to_its_shelf),
                                       cmocka_unit_test(test_unfold),
                                       cmocka_unit_test(test_unfold_as_it_closes),
                                       cmocka_unit_test(test_checkpoint)};

    if (!aw_hash_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
