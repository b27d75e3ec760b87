/* core_kit.h - for the tests of the state machine: a small state, commands in one line, and checks after each of them. */
#ifndef AW_TESTS_UNIT_CORE_KIT_H
#define AW_TESTS_UNIT_CORE_KIT_H

#include "core/state.h"
#include "model/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* last: it needs the others */

#define KIT_START  UINT64_C(1775000000000)
#define KIT_MINUTE UINT64_C(60000)
#define KIT_HOUR   (60 * KIT_MINUTE)
#define KIT_DAY    (24 * KIT_HOUR)
#define KIT_SHARD  3

struct kit {
    struct aw_state *state;
    aw_ms            now;
};

static inline struct aw_hash128
kit_hash(uint64_t number)
{
    return (struct aw_hash128){.low = number * UINT64_C(0x9E3779B97F4A7C15) + 1, .high = number};
}

static inline struct aw_state_limits
kit_limits(void)
{
    return (struct aw_state_limits){.tickets_max = 64,
                                    .identities_max = 128,
                                    .ids_max = 200,
                                    .leases_max = 16,
                                    .lanes_max = 8,
                                    .agents_max = 8,
                                    .keys_max = 16,
                                    .facts_max = 5000,
                                    .flights_max = 16,
                                    .asides_max = 8,
                                    .replies_max = 1000,
                                    .commitments_max = 8,
                                    .contacts_max = 8,
                                    .preimage_bytes_max = 1U << 20};
}

static inline void
kit_open_with(struct kit *kit, const struct aw_state_limits *limits)
{
    struct aw_why why;

    assert_true(aw_hash_init());
    *kit = (struct kit){.now = KIT_START};
    if (aw_state_new(&kit->state, limits, KIT_SHARD, &why) != AW_OK)
        fail_msg("%s", why.text);
}

static inline void
kit_open(struct kit *kit)
{
    struct aw_state_limits limits = kit_limits();

    kit_open_with(kit, &limits);
}

static inline void
kit_close(struct kit *kit)
{
    aw_state_free(&kit->state);
    assert_null(kit->state);
}

static inline void
kit_check_digest(const struct kit *kit)
{
    assert_true(aw_hash128_eq(aw_state_digest(kit->state), aw_state_digest_slow(kit->state)));
}

/* Applies; an error that changed nothing left the digest alone. */
static inline enum aw_err
kit_apply(struct kit *kit, struct aw_command *command)
{
    struct aw_hash128 before;
    uint64_t          seq = aw_state_seq(kit->state);
    enum aw_err       err;

    aw_state_begin(kit->state, seq + 1, kit->now);
    before = aw_state_digest(kit->state);
    err = aw_state_apply(kit->state, command);
    assert_int_equal(err, command->out.err);
    assert_int_equal(aw_state_seq(kit->state), seq + (command->out.changed ? 1 : 0));
    assert_int_equal(aw_hash128_eq(before, aw_state_digest(kit->state)), !command->out.changed);
    kit_check_digest(kit);
    return err;
}

/* A message as the tests write it down. Zeros: from customer `who` alone, to us, class CARE (0!), no departure. */
struct kit_post {
    uint64_t        id;
    uint64_t        who[AW_IDENTITY_HASHES_MAX];
    enum aw_class   class_;
    aw_ms           departs_at;
    aw_ms           received_at;
    aw_ms           reply_by;
    const char     *lane;
    const char     *lang;
    const char     *channel;
    const char     *account;
    struct aw_slice tags[4];
    uint8_t         addressed;
    bool            gentle;
};

/* The identities and tags live as long as `room`. */
struct kit_room {
    struct aw_hash128 identities[AW_IDENTITY_HASHES_MAX];
    struct aw_slice   tags[4];
};

static inline struct aw_command
kit_message(const struct kit_post *post, struct kit_room *room)
{
    struct aw_command     command = {.kind = AW_COMMAND_MESSAGE};
    struct aw_in_message *in = &command.in.message;

    in->id_hash = kit_hash(post->id + 1000000);
    for (unsigned i = 0; i < AW_IDENTITY_HASHES_MAX && (i == 0 || post->who[i] != 0); i++)
        room->identities[in->identity_count++] = kit_hash(post->who[i]);
    in->identities = room->identities;
    for (int i = 0; i < 4 && post->tags[i].len > 0; i++)
        room->tags[in->tag_count++] = post->tags[i];
    in->tags = room->tags;
    in->class_ = post->class_;
    in->departs_at = post->departs_at;
    in->received_at = post->received_at;
    in->reply_by = post->reply_by;
    in->lane = aw_slice_str(post->lane);
    in->lang = aw_slice_str(post->lang);
    in->channel = aw_slice_str(post->channel == NULL ? "twitter" : post->channel);
    in->account = aw_slice_str(post->account == NULL ? "main" : post->account);
    in->addressed = post->addressed;
    in->gentle = post->gentle;
    return command;
}

static inline struct aw_command
kit_try_post(struct kit *kit, struct kit_post post)
{
    struct kit_room   room;
    struct aw_command command = kit_message(&post, &room);

    (void)kit_apply(kit, &command);
    command.in.message.identities = NULL;
    command.in.message.tags = NULL;
    return command;
}

/* One that is accepted. */
static inline struct aw_out_message
kit_post(struct kit *kit, struct kit_post post)
{
    struct aw_command command = kit_try_post(kit, post);

    assert_int_equal(command.out.err, AW_OK);
    return command.out.u.message;
}

static inline struct aw_ticket_view
kit_view(const struct kit *kit, struct aw_ticket_id ticket)
{
    struct aw_ticket_view view;

    assert_int_equal(aw_state_ticket(kit->state, ticket, &view), AW_OK);
    return view;
}

static inline struct aw_command
kit_try_lease(struct kit *kit, uint32_t slot, uint32_t version, const char *agent, uint64_t lease_ms)
{
    struct aw_command command = {
        .kind = AW_COMMAND_LEASE,
        .in.lease = {.slot = slot, .version = version, .agent = aw_slice_str(agent), .lease_ms = lease_ms}};

    (void)kit_apply(kit, &command);
    return command;
}

static inline struct aw_lease_id
kit_lease(struct kit *kit, struct aw_ticket_id ticket, const char *agent, uint64_t lease_ms)
{
    struct aw_command command = kit_try_lease(kit, ticket.slot, kit_view(kit, ticket).version, agent, lease_ms);

    assert_int_equal(command.out.err, AW_OK);
    return command.out.u.lease.lease;
}

static inline struct aw_command
kit_fenced(struct kit *kit, enum aw_command_kind kind, struct aw_lease_id lease, const char *agent, uint64_t op)
{
    struct aw_command command = {
        .kind = kind, .in.fenced = {.lease = lease, .agent = aw_slice_str(agent), .op_hash = op, .lease_ms = 5 * KIT_MINUTE}};

    (void)kit_apply(kit, &command);
    return command;
}

/* To a lane, or to an agent; the other one NULL. */
static inline struct aw_command
kit_transfer(struct kit *kit, struct aw_lease_id lease, const char *agent, const char *lane, const char *to)
{
    struct aw_command command = {.kind = AW_COMMAND_TRANSFER,
                                 .in.transfer = {.fenced = {.lease = lease, .agent = aw_slice_str(agent), .op_hash = 4712},
                                                 .lane = aw_slice_str(lane),
                                                 .to = aw_slice_str(to)}};

    (void)kit_apply(kit, &command);
    return command;
}

static inline struct aw_command
kit_defer(struct kit *kit, struct aw_lease_id lease, const char *agent, aw_ms until)
{
    struct aw_command command = {.kind = AW_COMMAND_DEFER,
                                 .in.defer = {.fenced = {.lease = lease, .agent = aw_slice_str(agent), .op_hash = until},
                                              .until = until,
                                              .reason = AW_DEFER_COMMITMENT,
                                              .what = {.len = 9}}};

    (void)kit_apply(kit, &command);
    return command;
}

static inline struct aw_command
kit_note(struct kit *kit, struct aw_ticket_id ticket, const char *by)
{
    struct aw_command command = {.kind = AW_COMMAND_NOTE,
                                 .in.note = {.on = {.ticket = ticket, .by = aw_slice_str(by)}, .body = {.len = 6}}};

    (void)kit_apply(kit, &command);
    return command;
}

static inline void
kit_complete(struct kit *kit, struct aw_lease_id lease, const char *agent)
{
    assert_int_equal(kit_fenced(kit, AW_COMMAND_COMPLETE, lease, agent, lease.fence).out.err, AW_OK);
}

static inline struct aw_command
kit_on_ticket(struct kit *kit, enum aw_command_kind kind, struct aw_ticket_id ticket, aw_ms until, uint64_t if_version)
{
    struct aw_command command = {.kind = kind, .in.ticket = {.ticket = ticket, .until = until, .if_match.version = if_version}};

    (void)kit_apply(kit, &command);
    return command;
}

/* A person gives it a class (or AW_CLASS_NONE) and a lane (or NULL). */
static inline struct aw_command
kit_place(struct kit *kit, struct aw_ticket_id ticket, unsigned class_, const char *lane)
{
    struct aw_command command = {
        .kind = AW_COMMAND_PLACE,
        .in.ticket = {.ticket = ticket, .class_ = (uint8_t)class_, .lane = aw_slice_str(lane), .by = AW_SLICE("sam")}};

    (void)kit_apply(kit, &command);
    return command;
}

/* Opens a ticket and answers it. */
static inline struct aw_ticket_id
kit_answered(struct kit *kit, uint64_t id, uint64_t who)
{
    struct aw_ticket_id ticket = kit_post(kit, (struct kit_post){.id = id, .who = {who}, .class_ = AW_CLASS_GENERAL}).ticket;

    kit_complete(kit, kit_lease(kit, ticket, "ann", KIT_MINUTE), "ann");
    return ticket;
}

static inline struct aw_command
kit_lane(struct kit *kit, const char *name, enum aw_lane_pause pause, const struct aw_lane_match *match)
{
    struct aw_command command = {.kind = AW_COMMAND_LANE, .in.lane = {.name = aw_slice_str(name), .pause = pause}};

    if (match != NULL)
        command.in.lane.match = *match;
    (void)kit_apply(kit, &command);
    return command;
}

/* The second of a ticket's two messages is to become a ticket of its own; borrows its number. */
static inline struct aw_command
kit_unfolding(const struct aw_out_message *first, const struct aw_out_message *second)
{
    return (struct aw_command){
        .kind = AW_COMMAND_UNFOLD,
        .in.unfold = {.on = {.ticket = first->ticket, .by = AW_SLICE("sam")},
                      .messages = &second->record_seq,
                      .message_count = 1,
                      .newest_seq = second->record_seq,
                      .messages_total = 2,
                      .taken = {.messages = 1, .first_seq = second->record_seq, .last_seq = second->record_seq},
                      .left = {.messages = 1, .first_seq = first->record_seq, .last_seq = first->record_seq}}};
}

/* Time goes on; timers that come due on the way are applied when they do. Returns how many changed something. */
static inline unsigned
kit_wait(struct kit *kit, uint64_t ms)
{
    aw_ms    until = kit->now + ms;
    unsigned changed = 0;
    unsigned same = 0;

    for (aw_ms due = aw_state_next_due(kit->state); due != 0 && due <= until; due = aw_state_next_due(kit->state)) {
        struct aw_command command;

        if (due > kit->now) {
            kit->now = due;
            same = 0;
        }
        assert_true(aw_state_due(kit->state, kit->now, &command));
        assert_int_equal(kit_apply(kit, &command), AW_OK);
        changed += command.out.changed ? 1 : 0;
        assert_true(++same < 10000); /* a timer that stays due */
    }
    kit->now = until;
    return changed;
}

#endif
