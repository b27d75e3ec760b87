/* forecaster.c - see forecaster.h. */
#include "run/forecaster.h"

#include "base/latch.h"
#include "base/mem.h"
#include "forecast/board.h"
#include "port/clock.h"

#include <pthread.h>
#include <stdlib.h>

#define CENSUS_ROOM 2048U

/* A promise that moves. */
struct moving {
    enum aw_class        class_;
    aw_ms                broken_at; /* when it will not have been kept */
    struct aw_in_promise in;
};

struct aw_forecaster {
    struct aw_forecaster_config config;
    pthread_t                   thread;
    bool                        is_started;
    struct aw_latch             is_begun;
    struct aw_latch             is_ending;
    struct aw_wake              wake;
    /* Its own thread's. */
    struct aw_ring_in        to;
    struct aw_ring_out       back;
    struct aw_submission     submission;
    struct aw_query          query;
    struct aw_board         *board; /* owns */
    struct aw_who            who;
    aw_ns                    begun_at;
    aw_ms                    first_at;                        /* record time of the first look; 0: none yet */
    bool                     keeps;                           /* what was published before the start, until agents are back */
    aw_ms                    looked_at;                       /* record time */
    struct aw_census_ticket *tickets;                         /* owns: CENSUS_ROOM */
    struct aw_lane_group    *moves;                           /* owns: AW_PROMISE_LANES_MAX */
    struct aw_entry         *entries;                         /* owns: AW_FORECASTER_MOVES_MAX */
    struct moving            moving[AW_FORECASTER_MOVES_MAX]; /* the most urgent first */
    uint32_t                 moving_count;
};

AW_STATIC_ASSERT(AW_FORECASTER_MOVES_MAX >= AW_PROMISE_GROUPS_MAX, "entries are shared");

/* --- asking the committer --------------------------------------------------------------------------------------------------- */

/* Sleeps until the committer has given it back. False: it was not looked at. */
static bool
ask(struct aw_forecaster *forecaster)
{
    struct aw_submission *submission = &forecaster->submission;

    submission->io = forecaster->config.mailbox;
    submission->err = AW_OK;
    submission->woken_lane = AW_LANE_NONE;
    if (!aw_ring_try_push(&forecaster->to, submission))
        AW_UNREACHABLE(); /* one is out at a time */
    aw_wake_up(aw_committer_wake(forecaster->config.committer));
    for (;;) {
        if (aw_ring_try_pop(&forecaster->back) != NULL)
            break;
        aw_wake_prepare(&forecaster->wake);
        if (!aw_ring_is_empty(&forecaster->back))
            aw_wake_clear(&forecaster->wake);
        else
            aw_wake_wait(&forecaster->wake, AW_NS_NEVER);
    }
    return submission->err == AW_OK;
}

/* A look at millions of tickets takes seconds: it ends early when the server does. */
static bool
query(struct aw_forecaster *forecaster, struct aw_query asked)
{
    if (aw_latch_is_set(&forecaster->is_ending))
        return false;
    forecaster->query = asked;
    forecaster->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &forecaster->query};
    return ask(forecaster);
}

static bool
submit(struct aw_forecaster *forecaster, uint32_t count)
{
    forecaster->submission = (struct aw_submission){.kind = AW_SUBMIT_COMMANDS, .entries = forecaster->entries, .count = count};
    return ask(forecaster);
}

/* --- a look ----------------------------------------------------------------------------------------------------------------- */

static bool
ask_who(struct aw_forecaster *forecaster)
{
    struct aw_who *who = &forecaster->who;

    who->agent = 0;
    who->bucket = 0;
    who->has_agents = false;
    who->is_through = false;
    while (!who->is_through) {
        if (!query(forecaster, (struct aw_query){.kind = AW_QUERY_WHO, .who = who}))
            return false;
    }
    forecaster->looked_at = forecaster->query.now;
    return true;
}

static void
begin_board(struct aw_forecaster *forecaster)
{
    const struct aw_who *who = &forecaster->who;

    aw_board_begin(forecaster->board, who->has_order ? &who->order : &forecaster->config.order, forecaster->looked_at);
    aw_board_set_lanes(forecaster->board, who->lanes, who->lane_count);
    for (uint32_t set = 0; set < who->set_count; set++)
        aw_board_add_agents(forecaster->board, who->sets[set].lanes, who->sets[set].lane_count, who->agents[set]);
    aw_board_make_groups(forecaster->board);
}

/* Behind a start agents come back one by one: for so long it is not known who works. */
static bool
are_agents_back(const struct aw_forecaster *forecaster)
{
    return aw_clock_mono() - forecaster->begun_at >= AW_PRESENT_AGENT_MS * AW_NS_PER_MS;
}

static void
note_first(struct aw_forecaster *forecaster)
{
    if (forecaster->first_at != 0)
        return;
    forecaster->first_at = forecaster->looked_at;
    for (uint32_t lane = 0; lane < forecaster->who.lane_count; lane++)
        forecaster->keeps |= forecaster->who.lanes[lane].group != AW_PROMISE_NO_GROUP;
}

static bool
take_census(struct aw_forecaster *forecaster, void (*each)(struct aw_forecaster *, const struct aw_census_ticket *))
{
    struct aw_census census = {
        .since = aw_board_since(forecaster->board), .tickets = forecaster->tickets, .room = CENSUS_ROOM, .next = 1};

    while (census.next != 0) {
        if (!query(forecaster, (struct aw_query){.kind = AW_QUERY_CENSUS, .census = &census}))
            return false;
        for (uint32_t i = 0; i < census.count; i++)
            each(forecaster, &census.tickets[i]);
    }
    return true;
}

static void
add_ticket(struct aw_forecaster *forecaster, const struct aw_census_ticket *ticket)
{
    aw_board_add_ticket(forecaster->board, ticket);
}

/* --- publishing ------------------------------------------------------------------------------------------------------------- */

static bool
may_publish(const struct aw_forecaster *forecaster)
{
    return aw_metric_sum(forecaster->config.metrics, AW_METRIC_ROLE) == AW_ROLE_ACTIVE;
}

static struct aw_command
forecast_of(const struct aw_forecaster *forecaster, uint32_t group, const struct aw_told_wait *waits)
{
    return (struct aw_command){.kind = AW_COMMAND_FORECAST,
                               .in.forecast = {.group = group, .base = forecaster->looked_at, .waits = waits}};
}

/* False: there is no room for one of them, or nobody looked at them. */
static bool
submit_forecasts(struct aw_forecaster *forecaster, uint32_t count)
{
    bool all = submit(forecaster, count);

    for (uint32_t i = 0; i < count && all; i++)
        all = forecaster->entries[i].command.out.err == AW_OK;
    return all;
}

/* Groups first, so that no lane comes to one that is not told yet; then the lanes, some at a time. */
static bool
publish(struct aw_forecaster *forecaster)
{
    static const struct aw_told_wait nothing[AW_PROMISE_WAITS];
    const struct aw_told_wait       *waits = nothing;
    uint32_t                         count = 0, group = 0, lane = 0;

    for (uint32_t i = 0; i < AW_PROMISE_GROUPS_MAX; i++) {
        if (aw_board_told(forecaster->board, i) == NULL)
            continue;
        group = i;
        waits = aw_board_told(forecaster->board, i);
        forecaster->entries[count++].command = forecast_of(forecaster, group, waits);
    }
    if (count > 0 && !submit_forecasts(forecaster, count))
        return false;
    for (;;) {
        uint32_t moves = 0;

        while (moves < AW_PROMISE_LANES_MAX && aw_board_next_move(forecaster->board, lane, &forecaster->moves[moves]))
            lane = forecaster->moves[moves++].lane + 1U;
        if (moves == 0)
            return count > 0;
        forecaster->entries[0].command = forecast_of(forecaster, group, waits);
        forecaster->entries[0].command.in.forecast.lanes = forecaster->moves;
        forecaster->entries[0].command.in.forecast.lane_count = moves;
        if (!submit_forecasts(forecaster, 1))
            return false;
        count++;
    }
}

/* --- promises that break ---------------------------------------------------------------------------------------------------- */

static bool
is_more_urgent(const struct moving *a, const struct moving *b)
{
    return a->class_ != b->class_ ? a->class_ < b->class_ : a->broken_at < b->broken_at;
}

static void
note_breaking(struct aw_forecaster *forecaster, const struct aw_census_ticket *ticket)
{
    struct moving     moving = {.class_ = ticket->class_, .broken_at = ticket->promise.nine_of_ten_by};
    struct aw_promise promise;
    uint32_t          at;

    if (ticket->promise.made_at < forecaster->first_at && !are_agents_back(forecaster))
        return; /* made with more agents in sight */
    if (!aw_board_is_breaking(forecaster->board, ticket, &promise))
        return;
    moving.in =
        (struct aw_in_promise){.ticket = ticket->ticket, .half_by = promise.half_by, .nine_of_ten_by = promise.nine_of_ten_by};
    at = forecaster->moving_count;
    if (at < AW_FORECASTER_MOVES_MAX)
        forecaster->moving_count++;
    else if (is_more_urgent(&moving, &forecaster->moving[at - 1]))
        at--;
    else
        return; /* in the next look */
    for (; at > 0 && is_more_urgent(&moving, &forecaster->moving[at - 1]); at--)
        forecaster->moving[at] = forecaster->moving[at - 1];
    forecaster->moving[at] = moving;
}

static void
move_promises(struct aw_forecaster *forecaster)
{
    forecaster->moving_count = 0;
    if (!take_census(forecaster, note_breaking) || forecaster->moving_count == 0)
        return;
    for (uint32_t i = 0; i < forecaster->moving_count; i++)
        forecaster->entries[i].command = (struct aw_command){.kind = AW_COMMAND_PROMISE, .in.promise = forecaster->moving[i].in};
    (void)submit(forecaster, forecaster->moving_count); /* which of them moved, the records say; the others come again */
}

static void
look(struct aw_forecaster *forecaster)
{
    aw_ns began_at = aw_clock_mono();

    if (!ask_who(forecaster))
        return;
    note_first(forecaster);
    if (forecaster->keeps && !are_agents_back(forecaster))
        return;
    begin_board(forecaster);
    if (!take_census(forecaster, add_ticket))
        return;
    aw_board_run(forecaster->board);
    if (!may_publish(forecaster))
        return;
    aw_metric_add(forecaster->config.block, AW_METRIC_FORECASTS, publish(forecaster));
    move_promises(forecaster);
    aw_metric_set(forecaster->config.block, AW_METRIC_FORECAST_US, (aw_clock_mono() - began_at) / 1000);
}

/* --- the thread ------------------------------------------------------------------------------------------------------------- */

/* Sleeps until `at`, or until somebody wakes it. */
static void
sleep_until(struct aw_forecaster *forecaster, aw_ns at)
{
    aw_ns now = aw_clock_mono();

    aw_wake_prepare(&forecaster->wake);
    /* What was set between the last look and prepare would not wake us. */
    if (aw_latch_is_set(&forecaster->is_ending) || (at == AW_NS_NEVER && aw_latch_is_set(&forecaster->is_begun)) || at <= now)
        aw_wake_clear(&forecaster->wake);
    else
        aw_wake_wait(&forecaster->wake, at == AW_NS_NEVER ? AW_NS_NEVER : at - now);
}

static void *
run(void *arg)
{
    struct aw_forecaster *forecaster = arg;
    aw_ns                 next;

    while (!aw_latch_is_set(&forecaster->is_begun) && !aw_latch_is_set(&forecaster->is_ending))
        sleep_until(forecaster, AW_NS_NEVER);
    next = forecaster->begun_at = aw_clock_mono();
    while (!aw_latch_is_set(&forecaster->is_ending)) {
        if (aw_clock_mono() < next) {
            sleep_until(forecaster, next);
            continue;
        }
        look(forecaster);
        next += forecaster->config.every_ms * AW_NS_PER_MS;
        if (next < aw_clock_mono())
            next = aw_clock_mono() + forecaster->config.every_ms * AW_NS_PER_MS; /* it was stopped for a while */
    }
    return NULL;
}

enum aw_err
aw_forecaster_new(struct aw_forecaster **ret_forecaster, const struct aw_forecaster_config *config, struct aw_why *why)
{
    const struct aw_board_config board = {.lanes_max = config->lanes_max, .fade_ms = AW_BOARD_FADE_MS};
    struct aw_forecaster        *forecaster = aw_new(struct aw_forecaster);
    enum aw_err                  err;

    if (forecaster == NULL)
        return aw_why(why, AW_E_MEMORY, "no memory for the forecaster");
    forecaster->config = *config;
    err = aw_wake_init(&forecaster->wake, why);
    if (err != AW_OK) {
        free(forecaster);
        return err;
    }
    forecaster->tickets = aw_new_array(struct aw_census_ticket, CENSUS_ROOM);
    forecaster->moves = aw_new_array(struct aw_lane_group, AW_PROMISE_LANES_MAX);
    forecaster->entries = aw_new_array(struct aw_entry, AW_FORECASTER_MOVES_MAX);
    forecaster->who.sets = aw_new_array(struct aw_lane_set, AW_LANE_SETS_MAX);
    forecaster->who.lanes = aw_new_array(struct aw_census_lane, config->lanes_max);
    if (forecaster->tickets == NULL || forecaster->moves == NULL || forecaster->entries == NULL || forecaster->who.sets == NULL ||
        forecaster->who.lanes == NULL || aw_board_new(&forecaster->board, &board) != AW_OK) {
        aw_forecaster_free(&forecaster);
        return aw_why(why, AW_E_MEMORY, "no memory for the forecaster");
    }
    aw_committer_mailbox(config->committer, config->mailbox, &forecaster->wake, &forecaster->to, &forecaster->back);
    *ret_forecaster = forecaster;
    return AW_OK;
}

enum aw_err
aw_forecaster_start(struct aw_forecaster *forecaster, struct aw_why *why)
{
    if (pthread_create(&forecaster->thread, NULL, run, forecaster) != 0)
        return aw_why(why, AW_E_MEMORY, "the forecaster's thread cannot be started");
    forecaster->is_started = true;
    (void)pthread_setname_np(forecaster->thread, "forecaster"); /* only for people who look at the process */
    return AW_OK;
}

void
aw_forecaster_begin(struct aw_forecaster *forecaster)
{
    aw_latch_set(&forecaster->is_begun);
    aw_wake_up(&forecaster->wake);
}

void
aw_forecaster_stop(struct aw_forecaster *forecaster)
{
    if (forecaster == NULL || !forecaster->is_started)
        return;
    aw_latch_set(&forecaster->is_ending);
    aw_wake_up(&forecaster->wake);
    (void)pthread_join(forecaster->thread, NULL); /* fails only for a thread that is not there */
    forecaster->is_started = false;
}

void
aw_forecaster_free(struct aw_forecaster **forecaster)
{
    struct aw_forecaster *f = *forecaster;

    if (f == NULL)
        return;
    AW_ASSERT(!f->is_started);
    aw_board_free(&f->board);
    free(f->who.lanes);
    free(f->who.sets);
    free(f->entries);
    free(f->moves);
    free(f->tickets);
    aw_wake_fini(&f->wake);
    free(f);
    *forecaster = NULL;
}
