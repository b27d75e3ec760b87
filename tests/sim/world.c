/* world.c - starts, steps, crashes and the clock; see world.h. */
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HOUR_MS UINT64_C(3600000)
/* What two checkpoints take of it when there is more in a history: without room for them a store takes no posts and no changes,
 * however little is in it. */
#define PARTS_BYTES 110000U
#define TICKETS_MAX 32U /* slots: few enough that there are more customers in some histories */

bool world_is_traced;

/* The committer asks for the time without saying who it is. */
static const struct world *world_of_clock;

static const struct aw_state_limits limits = {.tickets_max = TICKETS_MAX,
                                              .identities_max = 64,
                                              .ids_max = 400,
                                              .leases_max = 16,
                                              .lanes_max = MODEL_LANES_MAX,
                                              .agents_max = 8,
                                              .keys_max = 8,
                                              .facts_max = 64,
                                              .flights_max = 4,
                                              .asides_max = 32,
                                              .replies_max = 64,
                                              .commitments_max = 16,
                                              .contacts_max = 16,
                                              .preimage_bytes_max = 16384};

void
world_trace(const struct world *world, const char *format, ...)
{
    va_list args;

    printf("%7llu.%03llu %llu  ", (unsigned long long)(world->mono / AW_NS_PER_S),
           (unsigned long long)(world->mono / AW_NS_PER_MS % 1000), (unsigned long long)world->now);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

static aw_ns
mono_now(void)
{
    return world_of_clock->mono;
}

static bool
draws(struct world *world, uint32_t one_in)
{
    return random_below(&world->random, one_in) == 0;
}

static void
pass(struct world *world, uint64_t ms)
{
    world->mono += ms * AW_NS_PER_MS;
    world->wall += ms;
}

/* --- what the engine asks ----------------------------------------------------------------------------------------------------- */

/* What it did is judged when all that is durable was read. */
static void
step_eraser(struct world *world)
{
    bool is_blocked = sim_faults_says(&world->faults, SIM_KEYS_STAY);

    sim_keys_block(&world->keys, is_blocked);
    if (sim_keys_step(&world->keys) && is_blocked)
        sim_faults_count(&world->faults, SIM_KEYS_STAY);
    sim_keys_block(&world->keys, false);
}

static bool
has_key(void *user, uint64_t seq)
{
    struct world *world = user;

    return sim_keys_open_text(&world->keys, seq);
}

static uint64_t
told_erased_through(void *user)
{
    const struct world *world = user;

    return sim_keys_told_through(&world->keys);
}

static void
on_erasure(void *user, uint64_t seq)
{
    struct world *world = user;

    if (world->keys.eraser != NULL)
        aw_eraser_tell(world->keys.eraser, seq);
}

/* While the committer waits for the disk, everybody else goes on. */
static void
meanwhile(struct world *world)
{
    if (!world->is_stepping || world->is_off || world->is_stopping)
        return;
    for (uint32_t left = random_below(&world->random, 4); left > 0; left--) {
        if (world_has(world, SIM_PART_ERASE) && draws(world, world->eraser_rests))
            step_eraser(world);
        else if (draws(world, 2))
            (void)users_take_answer(world);
        else
            (void)users_act(world);
    }
}

static enum aw_fault
on_draw(void *user, enum aw_fault_at at)
{
    struct world *world = user;
    unsigned      kind;

    if (at != AW_FAULT_AT_POLL)
        meanwhile(world);
    kind = world->is_off ? SIM_POWER : sim_faults_draw(&world->faults, at);
    if (kind != AW_FAULT_NONE && kind != AW_FAULT_LATER && kind != AW_FAULT_TWICE && kind != AW_FAULT_FULL) {
        WORLD_TRACE(world, "fault %u at %u", kind, at);
        world->is_faulty = true;
    }
    if (kind < AW_FAULT_KINDS)
        return (enum aw_fault)kind;
    world->is_off = true;
    return kind == SIM_POWER_KEPT ? AW_FAULT_BROKEN_KEPT : AW_FAULT_BROKEN;
}

/* --- the server --------------------------------------------------------------------------------------------------------------- */

static void
take_down(struct world *world)
{
    sim_keys_stop(&world->keys);
    aw_committer_free(&world->committer);
    aw_lanes_free(&world->lanes);
    if (world->has_directory)
        aw_lanes_directory_fini(&world->directory);
    if (world->has_agents_directory)
        aw_agents_directory_fini(&world->agents_directory);
    aw_state_free(&world->state);
    if (world->has_wake)
        aw_wake_fini(&world->wake);
    world->has_directory = world->has_agents_directory = world->has_wake = false;
    world->is_up = false;
}

static struct aw_core_settings
settings_of(const struct world *world)
{
    struct aw_core_settings settings = AW_CORE_SETTINGS_DEFAULT;

    if (world_has(world, SIM_PART_DIALOG))
        settings.still_needed_ms = HOUR_MS / 4;
    settings.dedupe_ms = 24 * HOUR_MS;
    settings.reopen_ms = HOUR_MS;
    settings.contact_ms = 10 * HOUR_MS;
    return settings;
}

static enum aw_err
make_committer(struct world *world, struct aw_why *why)
{
    const struct aw_committer_config config = {.journal = world->journal,
                                               .table = world->table,
                                               .state = world->state,
                                               .lanes = world->lanes,
                                               .directory = &world->directory,
                                               .agents = &world->agents_directory,
                                               .settings = settings_of(world),
                                               .io_count = 1,
                                               .mailbox_slots = 2 * WORLD_OPS_MAX,
                                               .lanes_max = limits.lanes_max,
                                               .leases_max = limits.leases_max,
                                               .choices_max = WORLD_CHOICES_MAX,
                                               .batch_bytes_max = AW_BATCH_BYTES_DEFAULT,
                                               .group_bytes_max = 1 << 20,
                                               .checkpoint_bytes = world->checkpoint_bytes,
                                               .checkpoint_step_bytes = 4096,
                                               .bodies_min_ms = HOUR_MS,
                                               .room_low_percent = 10,
                                               .mono = mono_now,
                                               .report = {.user = world, .erasure = on_erasure},
                                               .erased_through = world->keys.is_there ? told_erased_through : NULL};
    enum aw_err                      err = aw_committer_new(&world->committer, &config, why);

    if (err == AW_OK)
        aw_committer_mailbox(world->committer, 0, &world->wake, &world->in, &world->out);
    return err;
}

static enum aw_err
bring_up(struct world *world, struct aw_why *why)
{
    const struct aw_lanes_config lanes = {
        .lanes_max = limits.lanes_max,
        .tickets_max = limits.tickets_max,
        .base = WORLD_WALL - 40 * 24 * HOUR_MS,
        .bytes_max = (1 << 20) + aw_lanes_bytes_for(aw_committer_lanes_reserve(limits.leases_max, WORLD_CHOICES_MAX))};
    enum aw_err err;

    aw_qsbr_init(&world->qsbr);
    err = aw_state_new(&world->state, &limits, 0, why);
    if (err == AW_OK)
        err = aw_lanes_new(&world->lanes, &lanes, &world->qsbr);
    if (err != AW_OK)
        return err;
    world->has_directory = aw_lanes_directory_init(&world->directory, limits.lanes_max);
    world->has_agents_directory = aw_agents_directory_init(&world->agents_directory, limits.agents_max, &world->qsbr);
    if (!world->has_directory || !world->has_agents_directory)
        return AW_E_MEMORY;
    err = aw_wake_init(&world->wake, why);
    world->has_wake = err == AW_OK;
    if (err == AW_OK)
        err = make_committer(world, why);
    if (err == AW_OK)
        err = aw_recover(world->state, world->journal, world->table, NULL, &world->recovery, why);
    if (err == AW_OK)
        err = sim_keys_start(&world->keys, world->journal, world->recovery.head.next_seq, why);
    if (err == AW_OK)
        err = aw_committer_start(world->committer, &world->recovery, world->wall, world->mono, why);
    return err;
}

/* What the next crash will leave of what is under way then. */
static void
plan_crash(struct world *world)
{
    world->plan.crash_leaves = AW_CRASH_LEAVES_BY_PLAN;
    world->plan.lose_unflushed = true;
    if (sim_faults_says(&world->faults, SIM_LEFT_ALL))
        world->plan.lose_unflushed = false;
    else if (sim_faults_says(&world->faults, SIM_LEFT_SOME))
        world->plan.crash_leaves = AW_CRASH_LEAVES_SOME;
    else if (sim_faults_says(&world->faults, SIM_LEFT_TORN))
        world->plan.crash_leaves = AW_CRASH_LEAVES_TORN;
    else if (sim_faults_says(&world->faults, SIM_LEFT_GAP))
        world->plan.crash_leaves = AW_CRASH_LEAVES_GAP;
}

/* What remains of the engine after the machine stopped. */
static void
crash_engine(struct world *world)
{
    world->left = world->plan;
    world->crashes++;
    plan_crash(world);
    aw_memory_crash(world->journal, &world->plan);
    world->is_off = false;
    world->is_faulty = false;
}

/* A start that damage stops says so, and touches nothing; what did the damage is taken away, as a restore does. */
static void
mend(struct world *world, enum aw_err err, const struct aw_why *why)
{
    if (err == AW_OK)
        sim_broken("a damaged store was taken for a sound one");
    if (err != AW_E_CORRUPT && err != AW_E_MEMORY)
        sim_broken("a damaged store: %s: %s", aw_err_name(err), why->text);
    if (err != AW_E_CORRUPT)
        return;
    sim_faults_count(&world->faults, world->left.crash_leaves == AW_CRASH_LEAVES_GAP ? SIM_LEFT_GAP : SIM_LEFT_TORN);
    aw_memory_mend(world->journal);
}

/* Whether a start may fail so. */
static void
judge_failure(struct world *world, enum aw_err err, bool no_memory, const struct aw_why *why)
{
    bool may = no_memory ? err == AW_E_MEMORY || err == AW_E_STORE_BROKEN || err == AW_E_IO : false;

    may |= world->is_faulty && (err == AW_E_STORE_BROKEN || err == AW_E_IO);
    if (!may)
        sim_broken("a start fails without a reason: %s: %s", aw_err_name(err), why->text);
}

static bool
try_start(struct world *world)
{
    struct aw_why why = {.text = ""};
    bool          damaged = aw_memory_is_damaged(world->journal), no_memory, no_address;
    enum aw_err   err;

    world->faults.is_running = false;
    world->is_faulty = false;
    no_memory = sim_faults_says(&world->faults, SIM_NO_MEMORY);
    no_address = !no_memory && sim_faults_says(&world->faults, SIM_NO_ADDRESS);
    (void)sim_heap_fail(no_memory ? 1 + random_below(&world->random, 60) : 0,
                        no_address ? 1 + random_below(&world->random, 60) : 0);
    err = bring_up(world, &why);
    if (sim_heap_fail(0, 0))
        sim_faults_count(&world->faults, no_memory ? SIM_NO_MEMORY : SIM_NO_ADDRESS);
    else
        no_memory = no_address = false;
    WORLD_TRACE(world, "start: %s %s", aw_err_name(err), why.text);
    world->faults.is_running = true;
    if (damaged)
        mend(world, err, &why);
    else if (err != AW_OK)
        judge_failure(world, err, no_memory || no_address, &why);
    if (err != AW_OK) {
        take_down(world);
        if (!aw_memory_is_damaged(world->journal))
            crash_engine(world);
        return false;
    }
    return true;
}

/* What the crash before this start left of records that nobody had been told of. */
static void
count_left(struct world *world)
{
    if (world->recovery.head.next_seq <= world->model.read_seq + 1)
        return;
    if (world->left.crash_leaves == AW_CRASH_LEAVES_SOME)
        sim_faults_count(&world->faults, SIM_LEFT_SOME);
    else
        sim_faults_count(&world->faults, SIM_LEFT_ALL);
}

static void
start(struct world *world)
{
    while (!try_start(world))
        ;
    count_left(world);
    if (world->recovery.head.next_seq <= world->model.read_seq)
        sim_broken("durable was record %llu, the start found %llu", (unsigned long long)world->model.read_seq,
                   (unsigned long long)world->recovery.head.next_seq - 1);
    aw_record_clock_start(&world->clock, world->recovery.head.now, world->wall, world->mono);
    world->now = aw_record_clock_now(&world->clock, world->wall, world->mono);
    world->is_up = true;
    world->model.clock = world->now;
    model_sync(&world->model, world->state, true);
    if (!aw_hash128_eq(aw_state_digest(world->state), aw_state_digest_slow(world->state)))
        sim_broken("the digest is not that of the rows");
    if (world->keys.is_there)
        model_judge_texts(&world->model, sim_keys_erased_through(&world->keys), false);
}

/* The machine stops. What the committer still held goes to nobody. */
static void
crash(struct world *world)
{
    uint32_t tries = 0;

    users_count_lost(world);
    world->is_off = true;
    users_cancel_parked(world);
    while (!aw_committer_is_idle(world->committer) || tries == 0) {
        (void)aw_committer_step(world->committer, world->wall, world->mono);
        while (aw_ring_try_pop(&world->out) != NULL)
            ;
        if (++tries > 100)
            sim_broken("the committer keeps what it holds when the store is broken");
    }
    users_lose_all(world);
    take_down(world);
    crash_engine(world);
}

/* --- going on ----------------------------------------------------------------------------------------------------------------- */

static void
step(struct world *world)
{
    bool no_memory = sim_faults_says(&world->faults, SIM_NO_MEMORY);

    world->now = aw_record_clock_now(&world->clock, world->wall, world->mono);
    world->is_stepping = true;
    (void)sim_heap_fail(no_memory ? 1 + random_below(&world->random, 12) : 0, 0);
    (void)aw_committer_step(world->committer, world->wall, world->mono);
    if (sim_heap_fail(0, 0)) {
        sim_faults_count(&world->faults, SIM_NO_MEMORY);
        world->is_faulty = true;
    }
    world->is_stepping = false;
    world->steps++;
    if (aw_committer_role(world->committer) == AW_ROLE_BROKEN && !world->is_faulty)
        sim_broken("the store counts as broken, and nothing failed");
    world->model.clock = world->now;
    if (world->is_off || aw_committer_role(world->committer) == AW_ROLE_BROKEN)
        return;
    model_sync(&world->model, world->state, false);
    if (world->keys.is_there && sim_keys_erased_through(&world->keys) != world->model.erased_through)
        model_judge_texts(&world->model, sim_keys_erased_through(&world->keys), true);
}

static void
stop(struct world *world)
{
    world->is_stopping = true;
    for (uint32_t tries = 0; (tries == 0 || !aw_committer_is_idle(world->committer)) && !world->is_off; tries++) {
        users_cancel_parked(world);
        step(world);
        while (!world->is_off && users_take_answer(world))
            ;
        if (tries > 1000)
            sim_broken("a stop does not come to its end");
    }
    world->is_stopping = false;
    if (world->is_off) {
        crash(world);
        return;
    }
    while (users_take_answer(world))
        ;
    users_lose_all(world);
    take_down(world);
    crash_engine(world);
}

static void
set_clock(struct world *world)
{
    if (sim_faults_says(&world->faults, SIM_WALL_FORWARD)) {
        sim_faults_count(&world->faults, SIM_WALL_FORWARD);
        world->wall += 1 + random_below(&world->random, 2 * (uint32_t)HOUR_MS);
    }
    if (sim_faults_says(&world->faults, SIM_WALL_BACK)) {
        sim_faults_count(&world->faults, SIM_WALL_BACK);
        world->wall -= 1 + random_below(&world->random, 2 * (uint32_t)HOUR_MS);
    }
    if (sim_faults_says(&world->faults, SIM_SLEEP)) {
        sim_faults_count(&world->faults, SIM_SLEEP);
        pass(world, random_below(&world->random, (uint32_t)HOUR_MS / 2));
    }
    if (sim_faults_says(&world->faults, SIM_DAYS)) {
        sim_faults_count(&world->faults, SIM_DAYS);
        pass(world, random_below(&world->random, 50 * (uint32_t)HOUR_MS));
    }
}

static bool
must_restart(struct world *world)
{
    if (world->is_off)
        return true;
    /* A broken one goes on answering for a while. */
    return aw_committer_role(world->committer) == AW_ROLE_BROKEN && draws(world, 8);
}

static void
go_on(struct world *world)
{
    uint32_t what = random_below(&world->random, 16);

    if (world_has(world, SIM_PART_ERASE) && !world->is_off && draws(world, world->eraser_rests))
        step_eraser(world);
    else if (what < 5)
        step(world);
    else if (what < 9)
        (void)users_take_answer(world);
    else
        (void)users_act(world);
    if (!world->is_off)
        pass(world, draws(world, 3) ? random_below(&world->random, 4000) : random_below(&world->random, 20));
    set_clock(world);
}

/* Phase one: everything may happen. */
static void
live(struct world *world)
{
    uint32_t length = 150 + random_below(&world->random, 350);

    for (uint32_t i = 0; i < length; i++) {
        bool is_killed = sim_faults_says(&world->faults, SIM_KILL), is_stopped = sim_faults_says(&world->faults, SIM_STOP);

        go_on(world);
        if (is_killed || must_restart(world)) {
            if (is_killed)
                sim_faults_count(&world->faults, SIM_KILL);
            crash(world);
            start(world);
        } else if (is_stopped) {
            sim_faults_count(&world->faults, SIM_STOP);
            stop(world);
            start(world);
        }
    }
}

/* Phase two: nothing breaks any more, and all that was accepted is worked off. */
static void
heal(struct world *world)
{
    char left[MODEL_LEFT_BYTES];

    world->faults.is_off = true;
    world->heals = true;
    if (aw_committer_role(world->committer) == AW_ROLE_BROKEN || world->is_off) {
        crash(world);
        start(world);
    }
    for (uint32_t i = 0; !model_is_drained(&world->model, NULL); i++) {
        if (i > 20000 && !model_is_drained(&world->model, left))
            sim_broken("what was accepted is not worked off: %s", left);
        (void)users_act(world);
        step(world);
        while (users_take_answer(world))
            ;
        step_eraser(world);
        pass(world, random_below(&world->random, i % 16 == 0 ? 400000 : 2000));
    }
    for (uint32_t i = 0; world->keys.is_there && sim_keys_erased_through(&world->keys) < world->model.asked_seq; i++) {
        if (i > 100)
            sim_broken("what record %llu asks for is not erased", (unsigned long long)world->model.asked_seq);
        step_eraser(world);
    }
    if (world->keys.is_there)
        model_judge_texts(&world->model, sim_keys_erased_through(&world->keys), true);
}

/* Nothing of it, all of it, or what the seed says. */
static uint32_t
draw_parts(struct world *world)
{
    uint32_t what = random_below(&world->random, 8), parts = 0;

    for (unsigned part = 0; part < SIM_PARTS; part++)
        parts |= (what == 7 || (what > 1 && draws(world, 3)) ? 1U : 0U) << part;
    return parts;
}

void
world_run(struct world *world, uint64_t seed, uint64_t *reached)
{
    struct aw_core_settings settings;

    memset(world, 0, sizeof(*world));
    world_of_clock = world;
    world->seed = seed;
    world->random = random_of(seed);
    world->order = AW_ORDER_SETTINGS_DEFAULT;
    world->mono = AW_NS_PER_S;
    world->wall = WORLD_WALL;
    sim_faults_init(&world->faults, &world->random, reached);
    world->checkpoint_bytes = draws(world, 4) ? UINT64_C(1) << 40 : 3000 + random_below(&world->random, 30000);
    world->store_bytes = draws(world, 3) ? 150000 + random_below(&world->random, 150000) : 0;
    world->parts = draw_parts(world);
    if (world->store_bytes != 0 && world->parts != 0)
        world->store_bytes += PARTS_BYTES;
    world->customers = draws(world, 3) ? 50 : 4 + random_below(&world->random, 20);
    world->plan = (struct aw_fault_plan){
        .seed = seed, .full_from_bytes = world->store_bytes, .lose_unflushed = true, .draw = on_draw, .user = world};
    world->eraser_rests = draws(world, 3) ? 5000 : 4 + random_below(&world->random, 12);
    sim_keys_open(&world->keys, world_has(world, SIM_PART_ERASE), seed);
    if (world->keys.is_there)
        world->plan.has_key = has_key;
    settings = settings_of(world);
    users_init(world);
    if (aw_memory_open(&world->journal, &world->table, &world->plan, NULL) != AW_OK ||
        !model_init(&world->model, world->journal, &settings, &limits))
        sim_broken("no memory");
    world->model.has_room = world->store_bytes == 0;
    world->model.has_contacts = world_has(world, SIM_PART_CONTACTS) || world_has(world, SIM_PART_ERASE);
    start(world);
    live(world);
    heal(world);
    model_judge_delivery(&world->model);
    world->records = world->model.read_seq;
    stop(world);
    sim_keys_close(&world->keys);
    model_fini(&world->model);
    aw_journal_close(&world->journal);
}
