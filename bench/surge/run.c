/* run.c - connects gateways and agents, posts, drains, looks up what is left.
 *
 *   CONNECTING -> POSTING -> DRAINING -> VERIFYING -> OVER
 */
#include "bench/surge/run.h"

#include "bench/surge/collect.h"
#include "port/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECT_S_MAX       15.0
#define TICK_S              1.0
#define STALL_S             20U /* nothing moved for so long, beyond the length of a lease */
#define ANSWER_BYTES_MAX    (256U * 1024U * 1024U)
#define EXCHANGES_FOR_AUDIT 1024U

enum phase { CONNECTING, POSTING, DRAINING, VERIFYING, OVER };

struct run {
    const struct surge_options *options;
    enum surge_target           target;
    enum phase                  phase;
    struct ev_loop             *loop;
    struct aw_client           *client;
    struct surge_source         source;
    struct surge_ledger         ledger;
    struct surge_intake         intake;
    struct surge_desk           desk;
    struct surge_verify         verify;
    bool                        has_desk;
    bool                        intake_ready;
    bool                        desk_ready;
    ev_timer                    tick;
    ev_timer                    connect_timer;
    ev_signal                   interrupt;
    unsigned                    interrupts;
    uint64_t                    moved; /* completions at the last tick that saw any */
    unsigned                    still_s;
    aw_ns                       verify_at;
    struct surge_result        *result;
};

/* --- phases ----------------------------------------------------------------------------------------------------------------- */

static void
on_broken(void *user, const char *why)
{
    struct run *run = user;

    if (!run->result->broken)
        (void)snprintf(run->result->why, sizeof(run->result->why), "%s", why);
    run->result->broken = true;
    run->phase = OVER;
    ev_break(run->loop, EVBREAK_ALL);
}

static void
on_verified(void *user)
{
    struct run *run = user;

    run->phase = OVER;
    ev_break(run->loop, EVBREAK_ALL);
}

static void
begin_verify(struct run *run)
{
    const struct surge_verify_config config = {.loop = run->loop,
                                               .fleet = &run->intake.fleet,
                                               .ledger = &run->ledger,
                                               .token = surge_token_for(run->options, "/v1/tickets"),
                                               .limit = run->options->verify,
                                               .msgpack = aw_media_is_msgpack(run->options->media),
                                               .finished = on_verified,
                                               .user = run};

    run->phase = VERIFYING;
    run->verify_at = aw_clock_mono();
    if (run->target == SURGE_ANY)
        on_verified(run);
    else if (!surge_verify_start(&run->verify, &config))
        on_broken(run, "out of memory");
}

static void
on_desk_finished(void *user)
{
    struct run *run = user;

    if (run->phase == DRAINING)
        begin_verify(run);
}

/* When all that was acknowledged is answered, each agent makes sure that nothing else waits, and stops. */
static void
on_worked(void *user)
{
    struct run *run = user;

    if (run->phase == DRAINING && run->options->drain && surge_ledger_open(&run->ledger) == 0)
        surge_desk_stop(&run->desk, true);
}

static void
on_posted(void *user)
{
    struct run *run = user;

    if (run->phase != POSTING)
        return;
    run->phase = DRAINING;
    if (!run->has_desk)
        begin_verify(run);
    else if (run->options->drain)
        on_worked(run);
    else
        surge_desk_stop(&run->desk, false);
}

static void
start_when_ready(struct run *run)
{
    aw_ns now = aw_clock_mono();

    if (!run->intake_ready || (run->has_desk && !run->desk_ready) || run->phase != CONNECTING)
        return;
    ev_timer_stop(run->loop, &run->connect_timer);
    run->phase = POSTING;
    if (run->has_desk)
        surge_desk_start(&run->desk, now);
    surge_intake_start(&run->intake, now);
}

static void
on_intake_ready(void *user)
{
    ((struct run *)user)->intake_ready = true;
    start_when_ready(user);
}

static void
on_desk_ready(void *user)
{
    ((struct run *)user)->desk_ready = true;
    start_when_ready(user);
}

/* --- timers and signals ----------------------------------------------------------------------------------------------------- */

static void
show_progress(const struct run *run)
{
    static const char *const phases[] = {"connecting", "posting", "draining", "verifying", "over"};

    if (!isatty(STDERR_FILENO))
        return;
    (void)fprintf(stderr, "\r%-10s posted %llu, accepted %llu, completed %llu tickets, open %llu messages   ", phases[run->phase],
                  (unsigned long long)run->intake.posted, (unsigned long long)run->intake.accepted,
                  (unsigned long long)run->desk.completed, (unsigned long long)surge_ledger_open(&run->ledger));
}

static void
on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct run *run = timer->data;

    (void)loop;
    (void)events;
    show_progress(run);
    if (run->phase != DRAINING || run->desk.completed != run->moved) {
        run->moved = run->desk.completed;
        run->still_s = 0;
        return;
    }
    if (++run->still_s < run->options->lease_s + STALL_S + run->options->handling_ms / 1000 * run->options->max)
        return;
    if (run->desk.stopping) { /* told to stop, and still somebody is busy */
        run->result->stalled = true;
        begin_verify(run);
        return;
    }
    run->result->stalled = true;
    run->still_s = 0;
    surge_desk_stop(&run->desk, false);
}

static void
on_connect_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct run *run = timer->data;
    const char *why = run->intake.fleet.why[0] != '\0' ? run->intake.fleet.why : run->desk.fleet.why;

    (void)loop;
    (void)events;
    on_broken(run, why[0] != '\0' ? why : "not all connections stood in time");
}

static void
on_interrupt(struct ev_loop *loop, ev_signal *signal, int events)
{
    struct run *run = signal->data;

    (void)loop;
    (void)events;
    if (run->interrupts++ > 0 || run->phase == CONNECTING)
        on_broken(run, "interrupted");
    else
        surge_intake_end(&run->intake);
}

static void
watch(struct run *run)
{
    ev_timer_init(&run->tick, on_tick, TICK_S, TICK_S);
    run->tick.data = run;
    ev_timer_start(run->loop, &run->tick);
    ev_timer_init(&run->connect_timer, on_connect_timeout, CONNECT_S_MAX, 0.);
    run->connect_timer.data = run;
    ev_timer_start(run->loop, &run->connect_timer);
    ev_signal_init(&run->interrupt, on_interrupt, SIGINT);
    run->interrupt.data = run;
    ev_signal_start(run->loop, &run->interrupt);
}

/* --- one run ---------------------------------------------------------------------------------------------------------------- */

static enum aw_err
open_source(struct run *run, const char *name, struct aw_why *why)
{
    const struct surge_options *options = run->options;

    switch (options->mode) {
    case SURGE_REPLAY:
        return surge_replay_open(&run->source, options, aw_clock_wall(), why);
    case SURGE_SYNTH:
        return surge_synth_open(&run->source, options, name, aw_clock_wall(), why);
    case SURGE_FLOOD:
        return surge_flood_open(&run->source, options, name, why);
    case SURGE_PULLS:
    case SURGE_GROUND:
    case SURGE_PARK:
    case SURGE_FAIR:
        break; /* other runs' (work.h, park.h, fair.h) */
    }
    AW_UNREACHABLE();
}

static enum aw_err
open_connections(struct run *run, const struct aw_url *url, struct aw_why *why)
{
    const struct surge_options      *options = run->options;
    const struct surge_intake_config intake = {.loop = run->loop,
                                               .client = run->client,
                                               .url = *url,
                                               .options = options,
                                               .source = &run->source,
                                               .ledger = run->target == SURGE_ANY ? NULL : &run->ledger,
                                               .ready = on_intake_ready,
                                               .finished = on_posted,
                                               .broken = on_broken,
                                               .user = run};
    const struct surge_desk_config   desk = {.loop = run->loop,
                                             .client = run->client,
                                             .url = *url,
                                             .options = options,
                                             .ledger = &run->ledger,
                                             .ready = on_desk_ready,
                                             .worked = on_worked,
                                             .finished = on_desk_finished,
                                             .broken = on_broken,
                                             .user = run};
    enum aw_err                      err = surge_intake_open(&run->intake, &intake, why);

    if (err != AW_OK || options->agents == 0 || run->target == SURGE_ANY)
        return err;
    err = surge_desk_open(&run->desk, &desk, why);
    run->has_desk = err == AW_OK;
    if (err != AW_OK)
        surge_intake_close(&run->intake);
    return err;
}

static enum aw_err
open_all(struct run *run, const struct aw_url *url, const char *name, struct aw_why *why)
{
    const struct surge_options   *options = run->options;
    const struct aw_client_config client = {.loop = run->loop,
                                            .exchanges_max =
                                                options->connections * options->streams + options->agents + EXCHANGES_FOR_AUDIT,
                                            .answer_bytes_max = ANSWER_BYTES_MAX,
                                            .ca_file = options->ca_file,
                                            .insecure = options->insecure};
    enum aw_err                   err = open_source(run, name, why);

    if (err != AW_OK)
        return err;
    if (!surge_ledger_init(&run->ledger, run->target == SURGE_ANY ? 0 : run->source.expected, !run->source.has_unique_ids))
        err = aw_why(why, AW_E_MEMORY, "out of memory for %llu messages", (unsigned long long)run->source.expected);
    if (err == AW_OK)
        err = aw_client_new(&run->client, &client, why);
    if (err == AW_OK)
        err = open_connections(run, url, why);
    return err;
}

enum aw_err
surge_run(const struct surge_options *options, const struct aw_url *url, enum surge_target target, const char *name,
          struct surge_result *ret_result, struct aw_why *why)
{
    struct run *run = calloc(1, sizeof(*run));
    enum aw_err err = AW_E_MEMORY;

    *ret_result = (struct surge_result){.broken = false};
    if (run != NULL)
        run->loop = ev_loop_new(EVFLAG_AUTO);
    if (run == NULL || run->loop == NULL) {
        free(run);
        return aw_why(why, AW_E_MEMORY, "no event loop");
    }
    run->options = options;
    run->target = target;
    run->result = ret_result;
    run->intake.timer_fd = -1;
    watch(run);
    err = open_all(run, url, name, why);
    if (err == AW_OK) {
        (void)ev_run(run->loop, 0);
        if (isatty(STDERR_FILENO))
            (void)fputc('\n', stderr);
        surge_collect_intake(&run->intake, ret_result);
        if (run->has_desk)
            surge_collect_desk(&run->desk, ret_result);
        if (target != SURGE_ANY)
            surge_collect_audit(&run->ledger, &run->verify, ret_result);
        if (run->verify_at != 0)
            ret_result->verify_s = surge_seconds(run->verify_at, aw_clock_mono());
        surge_verify_close(&run->verify);
        if (run->has_desk)
            surge_desk_close(&run->desk);
        surge_intake_close(&run->intake);
    }
    aw_client_free(&run->client);
    if (run->source.fini != NULL)
        run->source.fini(run->source.user);
    surge_ledger_fini(&run->ledger);
    ev_signal_stop(run->loop, &run->interrupt); /* or the next run's loop may not have the signal */
    ev_loop_destroy(run->loop);
    free(run);
    return err;
}
