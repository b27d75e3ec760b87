/* commit_rig.h - for tests of the committer: a desk, which is an engine and everything on it, driven by hand with a clock of our
 * own, so that weeks pass in seconds.
 *
 * open, then start, which makes the rest and recovers; stop takes that down again and leaves the engine; crash leaves of the engine
 * what was flushed. Thread: one.
 */
#ifndef AW_TESTS_SUPPORT_COMMIT_RIG_H
#define AW_TESTS_SUPPORT_COMMIT_RIG_H

#include "commit/committer.h"
#include "commit/recover.h"
#include "store/store.h"
#include "support/test.h"
#include "unit/store_kit.h"

#include <stdio.h>
#include <stdlib.h>

#define WALL0  UINT64_C(1776231000000)
#define DAY_MS UINT64_C(86400000)

struct desk {
    /* The engine. */
    struct aw_journal   *journal;
    struct aw_table     *table;
    struct aw_fault_plan plan; /* of the one in memory */
    bool                 lmdb;
    uint64_t             bytes_max; /* of its store */
    char                 scratch[256];
    char                 folder[300];
    char                 keys[310];
    /* The test may change these before desk_start. */
    aw_ms    wall;
    uint64_t checkpoint_bytes; /* 0: none by itself */
    uint64_t bodies_min_ms;
    uint32_t room_low_percent;
    uint32_t parties_max;
    uint32_t leases_max;       /* 0: as in desk_limits */
    uint32_t lanes_room_bytes; /* of the queues, beyond their reserve; 0: 1 MiB */
    /* Of one run. */
    struct aw_state           *state;
    struct aw_qsbr             qsbr;
    struct aw_lanes           *lanes;
    struct aw_lanes_directory  directory;
    struct aw_agents_directory agents;
    struct aw_committer       *committer;
    struct aw_wake             wake;
    struct aw_ring_in          in;
    struct aw_ring_out         out;
    struct aw_recovery         recovery;
    struct aw_why              refused; /* why it did not start */
    /* Counted over all runs. */
    uint32_t checkpoints;
    uint32_t role_changes;
    uint32_t shut_changes;
    uint64_t sources; /* for the test: posted so far */
    uint64_t erased_through;
};

static const struct aw_state_limits desk_limits = {.tickets_max = 5000,
                                                   .identities_max = 5000,
                                                   .ids_max = 20000,
                                                   .leases_max = 1000,
                                                   .lanes_max = 16,
                                                   .agents_max = 100,
                                                   .keys_max = 16,
                                                   .facts_max = 5000,
                                                   .flights_max = 16,
                                                   .asides_max = 256,
                                                   .replies_max = 1000,
                                                   .commitments_max = 64,
                                                   .contacts_max = 64,
                                                   .preimage_bytes_max = 1 << 20};

/* Choices that a test may have in hand. */
#define DESK_CHOICES_MAX 64U

/* Monotonic time, for all desks, and what passes between two looks at it. */
static aw_ns fake_mono;
static aw_ns fake_mono_step;

/* On the memory engine. */
static inline void
desk_open(struct desk *desk, const struct aw_fault_plan *plan)
{
    *desk = (struct desk){.wall = WALL0};
    if (plan != NULL)
        desk->plan = *plan;
    assert_int_equal(aw_memory_open(&desk->journal, &desk->table, &desk->plan, NULL), AW_OK);
}

static inline void
desk_open_folder(struct desk *desk)
{
    struct aw_store_config config = KIT_CONFIG(desk->folder);
    struct aw_why          why = {.text = ""};

    config.shard = 0;
    config.bytes_max = desk->bytes_max;
    config.keys = desk->keys;
    if (aw_lmdb_open(&desk->journal, &desk->table, &config, &why) != AW_OK)
        fail_msg("%s", why.text);
}

/* The engine of servers, in a folder that goes with desk_close; what the disk itself does is not what these tests are about. */
static inline void
desk_open_lmdb(struct desk *desk, uint64_t bytes_max)
{
    *desk = (struct desk){.wall = WALL0, .lmdb = true, .bytes_max = bytes_max};
    kit_scratch_in_memory(desk->scratch);
    (void)snprintf(desk->folder, sizeof(desk->folder), "%s/store", desk->scratch);
    (void)snprintf(desk->keys, sizeof(desk->keys), "%s.keys", desk->folder);
    desk_open_folder(desk);
}

static inline void
desk_on_checkpoint(void *user, uint64_t seq)
{
    struct desk *desk = user;

    (void)seq;
    desk->checkpoints++;
}

static inline void
desk_on_role(void *user, enum aw_role role)
{
    struct desk *desk = user;

    (void)role;
    desk->role_changes++;
}

static inline void
desk_on_shut(void *user, bool is_shut)
{
    struct desk *desk = user;

    assert_int_equal(desk->shut_changes % 2, is_shut ? 0 : 1);
    desk->shut_changes++;
}

static inline void
desk_on_damage(void *user, const char *what, uint64_t seq)
{
    (void)user;
    fail_msg("%s %llu", what, (unsigned long long)seq);
}

static inline uint64_t
desk_erased_through(void *user)
{
    return ((struct desk *)user)->erased_through;
}

static inline aw_ns
desk_mono(void)
{
    fake_mono += fake_mono_step;
    return fake_mono;
}

static inline enum aw_err
desk_start(struct desk *desk)
{
    const uint32_t               leases_max = desk->leases_max == 0 ? desk_limits.leases_max : desk->leases_max;
    const struct aw_lanes_config lanes = {.lanes_max = desk_limits.lanes_max,
                                          .tickets_max = desk_limits.tickets_max,
                                          .base = WALL0 - DAY_MS,
                                          .bytes_max =
                                              (desk->lanes_room_bytes == 0 ? 1 << 20 : desk->lanes_room_bytes) +
                                              aw_lanes_bytes_for(aw_committer_lanes_reserve(leases_max, DESK_CHOICES_MAX))};
    struct aw_state_limits       limits = desk_limits;
    struct aw_committer_config   config;
    enum aw_err                  err;

    desk->refused.text[0] = '\0';
    aw_qsbr_init(&desk->qsbr);
    limits.leases_max = leases_max;
    assert_int_equal(aw_state_new(&desk->state, &limits, 0, NULL), AW_OK);
    assert_int_equal(aw_lanes_new(&desk->lanes, &lanes, &desk->qsbr), AW_OK);
    assert_true(aw_lanes_directory_init(&desk->directory, desk_limits.lanes_max));
    assert_true(aw_agents_directory_init(&desk->agents, desk_limits.agents_max, &desk->qsbr));
    assert_int_equal(aw_wake_init(&desk->wake, NULL), AW_OK);
    config = (struct aw_committer_config){.journal = desk->journal,
                                          .table = desk->table,
                                          .state = desk->state,
                                          .lanes = desk->lanes,
                                          .directory = &desk->directory,
                                          .agents = &desk->agents,
                                          .settings = AW_CORE_SETTINGS_DEFAULT,
                                          .io_count = 1,
                                          .mailbox_slots = 1024,
                                          .lanes_max = desk_limits.lanes_max,
                                          .leases_max = leases_max,
                                          .choices_max = DESK_CHOICES_MAX,
                                          .parties_max = desk->parties_max,
                                          .batch_bytes_max = AW_BATCH_BYTES_DEFAULT,
                                          .group_bytes_max = 1 << 20,
                                          .checkpoint_bytes = desk->checkpoint_bytes == 0 ? 1ULL << 40 : desk->checkpoint_bytes,
                                          .checkpoint_step_bytes = 65536,
                                          .bodies_min_ms = desk->bodies_min_ms,
                                          .room_low_percent = desk->room_low_percent,
                                          .mono = desk_mono,
                                          .erased_through = desk_erased_through,
                                          .report = {.user = desk,
                                                     .role = desk_on_role,
                                                     .checkpoint = desk_on_checkpoint,
                                                     .shut = desk_on_shut,
                                                     .trim_damage = desk_on_damage}};
    assert_int_equal(aw_committer_new(&desk->committer, &config, NULL), AW_OK);
    aw_committer_mailbox(desk->committer, 0, &desk->wake, &desk->in, &desk->out);
    err = aw_recover(desk->state, desk->journal, desk->table, NULL, &desk->recovery, &desk->refused);
    if (err == AW_OK)
        err = aw_committer_start(desk->committer, &desk->recovery, desk->wall, fake_mono, &desk->refused);
    if (err != AW_OK)
        printf("start: %s: %s\n", aw_err_name(err), desk->refused.text);
    return err;
}

static inline void
desk_stop(struct desk *desk)
{
    aw_committer_free(&desk->committer);
    aw_lanes_free(&desk->lanes);
    aw_lanes_directory_fini(&desk->directory);
    aw_agents_directory_fini(&desk->agents);
    aw_state_free(&desk->state);
    aw_wake_fini(&desk->wake);
}

/* What was flushed remains, as the plan has it; `next`: the plan from then on, NULL: the same. */
static inline void
desk_crash(struct desk *desk, const struct aw_fault_plan *next)
{
    desk_stop(desk);
    if (!desk->lmdb) {
        aw_memory_crash(desk->journal, next == NULL ? &desk->plan : next);
        return;
    }
    aw_journal_close(&desk->journal);
    desk_open_folder(desk);
}

static inline void
desk_close(struct desk *desk)
{
    desk_stop(desk);
    aw_journal_close(&desk->journal);
    if (desk->lmdb)
        kit_remove(desk->scratch);
}

static inline void
desk_pass(struct desk *desk, uint64_t ms)
{
    desk->wall += ms;
    fake_mono += ms * AW_NS_PER_MS;
}

static inline void
desk_step(struct desk *desk)
{
    (void)aw_committer_step(desk->committer, desk->wall, fake_mono);
}

/* Gives away, steps, and expects exactly this one back. */
static inline void
desk_carry_out(struct desk *desk, struct aw_submission *submission)
{
    assert_true(aw_ring_try_push(&desk->in, submission));
    desk_step(desk);
    assert_ptr_equal(aw_ring_try_pop(&desk->out), submission);
}

/* A submission of one command, and what a message needs besides. */
struct one {
    struct aw_submission submission;
    struct aw_entry      entry;
    struct aw_hash128    identity;
    char                 body[1024];
};

static inline struct one *
one_make(struct one *one, enum aw_command_kind kind)
{
    *one = (struct one){.submission = {.kind = AW_SUBMIT_COMMANDS, .count = 1, .woken_lane = AW_LANE_NONE}};
    one->submission.entries = &one->entry;
    one->entry.command.kind = kind;
    return one;
}

/* A message of this customer under this source id. The test sets its body. */
static inline struct aw_in_message *
one_make_post(struct one *one, uint64_t customer, uint64_t source)
{
    struct aw_in_message *in = &one_make(one, AW_COMMAND_MESSAGE)->entry.command.in.message;

    one->identity = (struct aw_hash128){customer, 1};
    in->id_hash = (struct aw_hash128){source, 2};
    in->identities = &one->identity;
    in->identity_count = 1;
    in->channel = AW_SLICE("web");
    in->account = AW_SLICE("main");
    in->class_ = AW_CLASS_GENERAL;
    return in;
}

#endif
