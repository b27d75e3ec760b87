/* work.c - the phases of a desk at work.
 *
 *   CONNECTING -> LANES -> FILLING -> STEPS -> STOPPING -> VERIFYING -> OVER
 * pulls has a step for each rate, and with --searches one more of the same, `searched`.
 * ground reads the order before STEPS and after STOPPING. Its steps are before, and then closing, closed, opening, open, again and
 * again: those on -ing last until what was asked for is in effect.
 */
#include "bench/surge/work.h"

#include "base/mem.h"
#include "bench/surge/answers.h"
#include "bench/surge/collect.h"
#include "bench/surge/floor.h"
#include "bench/surge/lane_sets.h"
#include "bench/surge/metric.h"
#include "bench/surge/order.h"
#include "bench/surge/searches.h"
#include "port/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_S_MAX    30.0
#define WARM_UP_S        2.0
#define POLL_S           0.001 /* between two looks whether an event is in effect */
#define STOP_SLACK_S     30.0  /* beyond the long polls and leases under way */
#define FILL_BATCH       100U
#define FILL_STREAMS     8U
#define ANSWER_BYTES_MAX (16U * 1024U * 1024U)
#define EXCHANGES_MORE   1024U
#define BODY_BYTES       128U
#define CHANGE_BYTES     64U
#define TIMEOUT          (30 * AW_NS_PER_S)
#define CLOSED_MS        (UINT64_C(9) * 3600 * AW_MS_PER_S)

enum phase { CONNECTING, LANES, FILLING, STEPS, STOPPING, VERIFYING, OVER };
enum event { EVENT_NONE, EVENT_CLOSE, EVENT_UNDO };

struct work {
    const struct surge_options *options;
    struct surge_options        fill_options; /* the same, in batches */
    enum phase                  phase;
    struct ev_loop             *loop;
    struct aw_client           *client;
    struct surge_ledger         ledger;
    struct surge_lane_sets      sets;
    struct surge_source         backlog;
    struct surge_source         trickle_source;
    struct surge_intake         fill; /* its connections serve for everything else, too */
    struct surge_intake         trickle;
    struct surge_desk           desk;
    struct surge_pace           pace;
    struct surge_crowd          crowd;
    struct surge_order          order;
    struct surge_searches       searches;
    struct surge_verify         verify;
    unsigned                    ready;
    ev_timer                    timer; /* of the phase */
    ev_timer                    poll;
    ev_signal                   interrupt;
    enum event                  event; /* not in effect yet */
    uint32_t                    cycle;
    aw_ns                       event_at;
    aw_ns                       effective_at; /* of the closing; 0: not now */
    char                        change[CHANGE_BYTES];
    struct surge_commits        commits; /* at the last look */
    aw_ns                       verify_at;
    struct surge_result        *result;
    struct surge_work          *out;
};

static void begin_step(struct work *work, const char *name, double rate, double seconds);
static void stop_working(struct work *work);

/* --- small things ----------------------------------------------------------------------------------------------------------- */

static void
on_broken(void *user, const char *why)
{
    struct work *work = user;

    if (!work->result->broken)
        (void)snprintf(work->result->why, sizeof(work->result->why), "%.299s", why);
    work->result->broken = true;
    work->phase = OVER;
    ev_break(work->loop, EVBREAK_ALL);
}

/* One request beside the crowd's, on whichever connection is open. */
static void
request_one(struct work *work, const char *method, const char *path, const char *body, aw_exchange_done *done)
{
    const char                *token = surge_token_for(work->options, path);
    struct aw_exchange_field   fields[4];
    struct aw_exchange_request request = {.method = aw_slice_str(method),
                                          .path = aw_slice_str(path),
                                          .fields = fields,
                                          .body = aw_slice_str(body),
                                          .timeout = TIMEOUT};
    struct aw_trunk           *trunk = NULL;

    fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("aswolk-agent"), AW_SLICE("surge"), false};
    if (token != NULL)
        fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("authorization"), aw_slice_str(token), true};
    if (body[0] != '\0')
        fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("content-type"), aw_media_type(AW_MEDIA_JSON), false};
    for (uint32_t i = 0; trunk == NULL && i < work->fill.fleet.config.count; i++)
        trunk = surge_fleet_trunk(&work->fill.fleet, i);
    if (trunk == NULL || aw_exchange_submit(trunk, &request, done, work) == NULL)
        on_broken(work, "a request could not be sent");
}

static void
sleep_until(struct work *work, double seconds)
{
    ev_timer_stop(work->loop, &work->timer);
    ev_now_update(work->loop); /* measuring the floor kept it waiting */
    ev_timer_set(&work->timer, seconds, 0.);
    ev_timer_start(work->loop, &work->timer);
}

/* --- steps ------------------------------------------------------------------------------------------------------------------ */

static struct surge_step *
step_now(struct work *work)
{
    return work->out->step_count == 0 ? NULL : &work->out->steps[work->out->step_count - 1];
}

/* The step that a pull belongs to: that in which it was due. NULL: none. */
static struct surge_step *
step_of(struct work *work, aw_ns due)
{
    for (uint32_t i = work->out->step_count; i-- > 0;) {
        if (work->out->steps[i].started_at <= due)
            return &work->out->steps[i];
    }
    return NULL;
}

static void
on_pulled(void *user, const struct surge_pulled *pulled)
{
    struct work       *work = user;
    struct surge_step *step = step_of(work, pulled->due);
    bool               waited = pulled->acked_at <= pulled->sent_at;

    if (step == NULL)
        return;
    step->pulls++;
    step->empty += pulled->empty;
    if (pulled->empty)
        return;
    if (waited)
        aw_histogram_record(step->waiting, pulled->at - pulled->due);
    else /* a lease may be read before the receipt is, on another connection */
        aw_histogram_record(step->parked, pulled->acked_at < pulled->at ? pulled->at - pulled->acked_at : 0);
    if (work->effective_at != 0 && pulled->sent_at >= work->effective_at && pulled->class_ == AW_CLASS_IMMINENT)
        work->out->grounded_leases++;
}

/* What the commits of the step were, by the server's own count. */
static void
on_commits(void *user, const struct aw_exchange_result *result)
{
    struct work               *work = user;
    const struct surge_commits last = work->commits;

    if (result->end != AW_EXCHANGE_ANSWERED || result->status != 200)
        return; /* without a token for it: the report leaves it out */
    work->commits = (struct surge_commits){.groups = (uint64_t)surge_metric_of(result->body, "aswolk_commit_seconds_count"),
                                           .seconds = surge_metric_of(result->body, "aswolk_commit_seconds_sum"),
                                           .records = surge_metric_of(result->body, "aswolk_commit_batch_messages_sum")};
    for (uint32_t i = 0; i < work->out->step_count; i++) {
        struct surge_step *step = &work->out->steps[i];

        if (step->ended_at != 0 && step->commits.groups == 0)
            step->commits = (struct surge_commits){.groups = work->commits.groups - last.groups,
                                                   .seconds = work->commits.seconds - last.seconds,
                                                   .records = work->commits.records - last.records};
    }
}

static void
end_step(struct work *work)
{
    struct surge_step *step = step_now(work);

    if (step == NULL || step->ended_at != 0)
        return;
    step->ended_at = aw_clock_mono();
    request_one(work, "GET", "/metrics", "", on_commits);
}

static void
begin_step(struct work *work, const char *name, double rate, double seconds)
{
    struct surge_work *out = work->out;
    struct surge_step *step = &out->steps[out->step_count];
    bool               goes_on = out->step_count > 0 && step[-1].rate == rate;

    end_step(work);
    AW_ASSERT(out->step_count < SURGE_STEPS_MAX);
    *step = (struct surge_step){.name = name, .rate = rate, .started_at = aw_clock_mono(), .times = 1};
    step->waiting = aw_new(struct aw_histogram);
    step->parked = aw_new(struct aw_histogram);
    if (step->waiting == NULL || step->parked == NULL) {
        free(step->waiting);
        free(step->parked);
        on_broken(work, "out of memory");
        return;
    }
    out->step_count++;
    if (!goes_on)
        surge_pace_start(&work->pace, rate, step->started_at);
    if (seconds > 0)
        sleep_until(work, seconds);
}

static void
begin_searches(struct work *work)
{
    struct surge_step *step = &work->out->steps[work->out->step_count - 1];

    step->searches = aw_new(struct aw_histogram);
    if (step->searches == NULL)
        on_broken(work, "out of memory");
    else
        surge_searches_start(&work->searches, step->searches);
}

/* The next rate, the same beside searches, or the end. */
static void
next_rate(struct work *work)
{
    uint32_t done = work->out->step_count - 1; /* the first was the warming up */
    uint32_t each = work->options->searches > 0 ? 2 : 1;
    uint32_t rate = done / each;

    surge_searches_stop(&work->searches);
    if (rate == work->options->pull_rate_count) {
        stop_working(work);
        return;
    }
    begin_step(work, done % each == 0 ? "rate" : "searched", work->options->pull_rates[rate], work->options->seconds);
    if (done % each == 1 && work->phase == STEPS)
        begin_searches(work);
}

static void
begin_steps(struct work *work)
{
    aw_ns now = aw_clock_mono();

    work->phase = STEPS;
    request_one(work, "GET", "/metrics", "", on_commits);
    surge_intake_start(&work->trickle, now);
    surge_desk_start(&work->desk, now);
    begin_step(work, "warm-up", work->options->pull_rates[0], WARM_UP_S);
}

static void
on_due(void *user, uint32_t agent)
{
    surge_desk_due(&((struct work *)user)->desk, agent);
}

/* --- an airport closes ------------------------------------------------------------------------------------------------------ */

static void
note_slowest(double *slowest, double took)
{
    if (took > *slowest)
        *slowest = took;
}

static void
in_effect(struct work *work)
{
    double rate = work->options->pull_rates[0];
    aw_ns  now = aw_clock_mono();
    bool   closed = work->event == EVENT_CLOSE;
    double took = surge_seconds(work->event_at, now);

    work->event = EVENT_NONE;
    if (closed)
        work->effective_at = now;
    note_slowest(closed ? &work->out->close_effective_s : &work->out->undo_effective_s, took);
    begin_step(work, closed ? "closed" : "open", rate, work->options->seconds / work->options->cycles);
}

/* The closing is in effect when nobody waits as imminent: all who do fly from there; the undo, when nobody waits as disrupted. */
static void
on_looked(void *user, const struct aw_exchange_result *result)
{
    struct work *work = user;
    const char  *gone = work->event == EVENT_CLOSE ? "aswolk_tickets{state=\"waiting\",class=\"imminent\"}"
                                                   : "aswolk_tickets{state=\"waiting\",class=\"disrupted\"}";

    if (result->end == AW_EXCHANGE_CLOSED || work->phase != STEPS)
        return;
    if (result->end != AW_EXCHANGE_ANSWERED || result->status != 200) {
        on_broken(work, "the server's metrics can't be read");
        return;
    }
    if (surge_metric_of(result->body, gone) == 0)
        in_effect(work);
    else
        ev_timer_again(work->loop, &work->poll);
}

static void
on_poll(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct work *work = timer->data;

    (void)events;
    ev_timer_stop(loop, timer);
    if (work->phase == STEPS)
        request_one(work, "GET", "/metrics", "", on_looked);
}

/* The change's number and how many tickets it touches. */
static bool
read_change(struct work *work, struct aw_slice body, uint64_t *ret_tickets)
{
    struct surge_walk walk;
    struct aw_slice   key, text;
    bool              ok = true;

    surge_walk_begin(&walk, body, false);
    if (!surge_walk_map(&walk))
        return false;
    while (ok && surge_walk_key(&walk, &key)) {
        if (aw_slice_eq(key, AW_SLICE("tickets"))) {
            ok = surge_walk_u64(&walk, ret_tickets);
        } else if (aw_slice_eq(key, AW_SLICE("change")) && work->event == EVENT_CLOSE) {
            ok = surge_walk_text(&walk, &text) && text.len < sizeof(work->change);
            if (ok)
                (void)snprintf(work->change, sizeof(work->change), "%.*s", AW_SLICE_ARGS(text));
        } else {
            surge_walk_skip(&walk);
        }
    }
    return ok && !walk.failed;
}

static void
on_changed(void *user, const struct aw_exchange_result *result)
{
    struct work *work = user;
    uint64_t     tickets = 0;
    char         name[32], why[128];

    if (result->end == AW_EXCHANGE_CLOSED || work->phase != STEPS)
        return;
    if (result->end != AW_EXCHANGE_ANSWERED || result->status / 100 != 2 || !read_change(work, result->body, &tickets)) {
        struct aw_slice problem =
            result->end == AW_EXCHANGE_ANSWERED ? surge_answer_problem(result, name) : AW_SLICE("no answer");

        (void)snprintf(why, sizeof(why), "the airport did not change: %.*s", AW_SLICE_ARGS(problem));
        on_broken(work, why);
        return;
    }
    if (work->event == EVENT_CLOSE && work->cycle == 0)
        work->out->grounded = tickets;
    note_slowest(work->event == EVENT_CLOSE ? &work->out->close_answered_s : &work->out->undo_answered_s,
                 surge_seconds(work->event_at, result->at));
    ev_timer_again(work->loop, &work->poll);
}

static void
change_airport(struct work *work, enum event event)
{
    static char body[BODY_BYTES]; /* borrowed until the answer; one at a time */
    char        path[CHANGE_BYTES + 32], until[AW_TIME_TEXT_BYTES];

    begin_step(work, event == EVENT_CLOSE ? "closing" : "opening", work->options->pull_rates[0], 0);
    work->event = event;
    work->event_at = aw_clock_mono();
    work->effective_at = 0;
    if (event == EVENT_CLOSE) {
        aw_time_format(aw_clock_wall() + CLOSED_MS, until);
        (void)snprintf(body, sizeof(body), "{\"state\":\"closed\",\"until\":\"%s\"}", until);
        request_one(work, "PUT", "/v1/airports/" SURGE_AIRPORT, body, on_changed);
        return;
    }
    (void)snprintf(body, sizeof(body), "{}");
    (void)snprintf(path, sizeof(path), "/v1/changes/%s/undo", work->change);
    request_one(work, "POST", path, body, on_changed);
}

static void
next_part(struct work *work)
{
    const struct surge_step *step = step_now(work);
    const char              *last = step == NULL ? "" : step->name;

    if (strcmp(last, "warm-up") == 0)
        begin_step(work, "before", work->options->pull_rates[0], work->options->seconds);
    else if (strcmp(last, "before") == 0 || (strcmp(last, "open") == 0 && ++work->cycle < work->options->cycles))
        change_airport(work, EVENT_CLOSE);
    else if (strcmp(last, "closed") == 0)
        change_airport(work, EVENT_UNDO);
    else
        stop_working(work);
}

/* --- phases ----------------------------------------------------------------------------------------------------------------- */

static void
on_verified(void *user)
{
    struct work *work = user;

    work->phase = OVER;
    ev_break(work->loop, EVBREAK_ALL);
}

static void
begin_verify(struct work *work)
{
    const struct surge_verify_config config = {.loop = work->loop,
                                               .fleet = &work->fill.fleet,
                                               .ledger = &work->ledger,
                                               .token = surge_token_for(work->options, "/v1/tickets"),
                                               .limit = work->options->verify,
                                               .finished = on_verified,
                                               .user = work};

    work->phase = VERIFYING;
    work->verify_at = aw_clock_mono();
    ev_timer_stop(work->loop, &work->timer);
    if (!surge_verify_start(&work->verify, &config))
        on_broken(work, "out of memory");
}

static void
measure_floor(struct work *work, unsigned which)
{
    struct aw_why why;

    if (work->options->floor == NULL)
        return;
    work->out->has_floor = true;
    if (surge_floor_measure(work->options->floor, &work->out->floor[which], &why) != AW_OK)
        on_broken(work, why.text);
}

static void
on_order_read(void *user)
{
    struct work *work = user;
    uint64_t     digests[2];

    if (work->phase == FILLING) {
        begin_steps(work);
        return;
    }
    surge_order_compare(&work->order, &work->out->compared, &work->out->displaced, digests);
    work->out->order_before = digests[0];
    work->out->order_after = digests[1];
    begin_verify(work);
}

/* Twice: the second time tells whether the order is the old one. */
static void
read_order(struct work *work)
{
    const struct surge_order_config config = {.loop = work->loop,
                                              .fleet = &work->fill.fleet,
                                              .ledger = &work->ledger,
                                              .token = surge_token_for(work->options, "/v1/tickets"),
                                              .count = work->ledger.count,
                                              .finished = on_order_read,
                                              .broken = on_broken,
                                              .user = work};

    if ((work->phase == FILLING && !surge_order_open(&work->order, &config)) || !surge_order_read(&work->order))
        on_broken(work, "out of memory");
}

/* Completed leases alone end nothing: an agent that has none left tells so. */
static void
on_worked(void *user)
{
    (void)user;
}

/* Both must have ended: agents whose last lease is completed, and posts whose receipt is due. */
static void
on_part_over(void *user)
{
    struct work *work = user;

    if (work->phase != STOPPING || !work->desk.told || !work->trickle.told)
        return;
    measure_floor(work, 1);
    if (work->phase == STOPPING && work->out->is_ground)
        read_order(work);
    else if (work->phase == STOPPING)
        begin_verify(work);
}

static void
stop_working(struct work *work)
{
    end_step(work);
    work->phase = STOPPING;
    surge_pace_start(&work->pace, 0, 0);
    sleep_until(work, work->options->wait_s + work->options->lease_s + STOP_SLACK_S);
    surge_intake_end(&work->trickle);
    surge_desk_stop(&work->desk, false);
}

static void
on_filled(void *user)
{
    struct work *work = user;

    if (work->phase != FILLING)
        return;
    work->out->backlog = work->fill.accepted;
    work->out->fill_s = surge_seconds(work->fill.started_at, work->fill.last_at);
    if (work->fill.accepted < work->options->tickets) {
        on_broken(work, "the server did not take the whole backlog");
        return;
    }
    measure_floor(work, 0);
    if (work->phase == FILLING && work->out->is_ground)
        read_order(work);
    else if (work->phase == FILLING)
        begin_steps(work);
}

static void
write_lane(void *user, uint64_t number, struct surge_crowd_request *request)
{
    char name[SURGE_LANE_NAME_BYTES];

    (void)user;
    surge_lane_name((uint32_t)number, name);
    request->method = "PUT";
    request->body = AW_SLICE("{}");
    (void)snprintf(request->path, sizeof(request->path), "/v1/lanes/%s", name);
}

static void
on_lane(void *user, uint64_t number, const struct aw_exchange_result *result)
{
    (void)number;
    if (result->status / 100 != 2)
        on_broken(user, "a lane could not be made");
}

static void
on_lanes_made(void *user)
{
    struct work *work = user;

    if (work->phase != LANES)
        return;
    work->phase = FILLING;
    surge_intake_start(&work->fill, aw_clock_mono());
}

static void
on_ready(void *user)
{
    struct work                    *work = user;
    const struct surge_crowd_config crowd = {.loop = work->loop,
                                             .fleet = &work->fill.fleet,
                                             .token = surge_token_for(work->options, "/v1/tickets"),
                                             .count = work->sets.lanes,
                                             .write = write_lane,
                                             .answered = on_lane,
                                             .finished = on_lanes_made,
                                             .broken = on_broken,
                                             .user = work};

    if (++work->ready < 3 || work->phase != CONNECTING) /* both intakes and the desk */
        return;
    ev_timer_stop(work->loop, &work->timer);
    work->phase = LANES;
    if (!surge_crowd_start(&work->crowd, &crowd) ||
        (work->options->searches > 0 &&
         !surge_searches_open(&work->searches, &work->fill.fleet, surge_token_for(work->options, "/v1/tickets"),
                              work->options->searches)))
        on_broken(work, "out of memory");
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct work *work = timer->data;

    (void)loop;
    (void)events;
    if (work->phase == CONNECTING) {
        on_broken(work, work->fill.fleet.why[0] != '\0' ? work->fill.fleet.why : "not all connections stood in time");
    } else if (work->phase == STEPS) {
        if (work->out->is_ground)
            next_part(work);
        else
            next_rate(work);
    } else if (work->phase == STOPPING) {
        work->result->stalled = true;
        begin_verify(work);
    }
}

static void
on_interrupt(struct ev_loop *loop, ev_signal *signal, int events)
{
    (void)loop;
    (void)events;
    on_broken(signal->data, "interrupted");
}

/* --- one run ---------------------------------------------------------------------------------------------------------------- */

static void
watch(struct work *work)
{
    ev_timer_init(&work->timer, on_timer, 0., 0.);
    work->timer.data = work;
    sleep_until(work, CONNECT_S_MAX);
    ev_timer_init(&work->poll, on_poll, 0., POLL_S);
    work->poll.data = work;
    ev_signal_init(&work->interrupt, on_interrupt, SIGINT);
    work->interrupt.data = work;
    ev_signal_start(work->loop, &work->interrupt);
}

static enum aw_err
open_connections(struct work *work, struct aw_why *why)
{
    struct surge_intake_config     intake = {.loop = work->loop,
                                             .client = work->client,
                                             .url = work->options->url,
                                             .options = &work->fill_options,
                                             .source = &work->backlog,
                                             .ledger = &work->ledger,
                                             .ready = on_ready,
                                             .finished = on_filled,
                                             .broken = on_broken,
                                             .user = work};
    const struct surge_desk_config desk = {.loop = work->loop,
                                           .client = work->client,
                                           .url = work->options->url,
                                           .options = work->options,
                                           .ledger = &work->ledger,
                                           .ready = on_ready,
                                           .worked = on_worked,
                                           .finished = on_part_over,
                                           .broken = on_broken,
                                           .user = work,
                                           .pace = &work->pace,
                                           .lanes = work->sets.lists,
                                           .pulled = on_pulled};
    enum aw_err                    err = surge_intake_open(&work->fill, &intake, why);

    intake.options = work->options;
    intake.source = &work->trickle_source;
    intake.finished = on_part_over;
    if (err == AW_OK)
        err = surge_intake_open(&work->trickle, &intake, why);
    if (err == AW_OK)
        err = surge_pace_open(&work->pace, work->loop, work->options->agents, on_due, work, why);
    if (err == AW_OK)
        err = surge_desk_open(&work->desk, &desk, why);
    return err;
}

static enum aw_err
open_all(struct work *work, const char *run, struct aw_why *why)
{
    const struct surge_options   *options = work->options;
    const struct aw_client_config client = {.loop = work->loop,
                                            .exchanges_max =
                                                2 * options->connections * options->streams + options->agents + EXCHANGES_MORE,
                                            .answer_bytes_max = ANSWER_BYTES_MAX,
                                            .ca_file = options->ca_file,
                                            .insecure = options->insecure};
    enum aw_err                   err = surge_backlog_open(&work->backlog, options, run, why);

    work->fill_options = *options;
    work->fill_options.batch = FILL_BATCH;
    work->fill_options.streams = FILL_STREAMS;
    work->fill_options.media = AW_MEDIA_NDJSON;
    work->out->is_ground = options->mode == SURGE_GROUND;
    if (err == AW_OK)
        err = surge_trickle_open(&work->trickle_source, options, run, why);
    if (err == AW_OK &&
        (!surge_lane_sets_init(&work->sets, options->lanes + options->quiet_lanes, options->agents, options->seed) ||
         !surge_ledger_init(&work->ledger, options->tickets, true)))
        err = aw_why(why, AW_E_MEMORY, "out of memory");
    work->out->lanes = work->sets.lanes;
    work->out->lanes_least = work->sets.least;
    work->out->lanes_median = work->sets.median;
    work->out->lanes_most = work->sets.most;
    if (err == AW_OK)
        err = aw_client_new(&work->client, &client, why);
    if (err == AW_OK)
        err = open_connections(work, why);
    return err;
}

static void
free_step(struct surge_step *step)
{
    free(step->waiting);
    free(step->parked);
    free(step->searches);
    free(step->waiting_view);
    free(step->parked_view);
    free(step->searches_view);
}

/* Adds what came of `from` to an earlier step of its name and rate. */
static void
add_step(struct surge_step *step, struct surge_step *from)
{
    step->times++;
    step->seconds += surge_seconds(from->started_at, from->ended_at);
    step->pulls += from->pulls;
    step->empty += from->empty;
    step->commits.groups += from->commits.groups;
    step->commits.seconds += from->commits.seconds;
    step->commits.records += from->commits.records;
    aw_histogram_collect(from->waiting, step->waiting_view);
    aw_histogram_collect(from->parked, step->parked_view);
    if (from->searches != NULL)
        aw_histogram_collect(from->searches, step->searches_view);
    free_step(from);
}

static bool
collect_step(struct surge_step *step)
{
    step->seconds = surge_seconds(step->started_at, step->ended_at);
    step->waiting_view = aw_new(struct aw_histogram_view);
    step->parked_view = aw_new(struct aw_histogram_view);
    step->searches_view = aw_new(struct aw_histogram_view);
    if (step->waiting_view == NULL || step->parked_view == NULL || step->searches_view == NULL)
        return false;
    if (step->searches != NULL)
        aw_histogram_collect(step->searches, step->searches_view);
    aw_histogram_collect(step->waiting, step->waiting_view);
    aw_histogram_collect(step->parked, step->parked_view);
    return true;
}

static void
collect_steps(struct work *work)
{
    struct surge_work *out = work->out;
    uint32_t           kept = 0;

    for (uint32_t i = 0; i < out->step_count; i++) {
        struct surge_step *step = &out->steps[i];
        uint32_t           same = 0;

        while (same < kept && (strcmp(out->steps[same].name, step->name) != 0 || out->steps[same].rate != step->rate))
            same++;
        if (same < kept) {
            add_step(&out->steps[same], step);
            continue;
        }
        if (!collect_step(step)) {
            on_broken(work, "out of memory");
            return; /* the report tells nothing of a run that broke off but why */
        }
        out->steps[kept] = *step;
        kept++;
    }
    out->step_count = kept;
}

static void
collect(struct work *work)
{
    collect_steps(work);
    work->out->searches_refused = work->searches.refused;
    surge_collect_intake(&work->trickle, work->result);
    work->result->connection_losses += work->fill.fleet.losses;
    work->result->connection_goodbyes += work->fill.fleet.goodbyes;
    surge_collect_desk(&work->desk, work->result);
    surge_collect_audit(&work->ledger, &work->verify, work->result);
    work->result->has_audit = true;
    work->result->verify_s = work->verify_at == 0 ? 0 : surge_seconds(work->verify_at, aw_clock_mono());
    work->result->audit_passed = work->result->audit_passed && work->out->grounded_leases == 0 && work->out->displaced == 0;
}

static void
close_all(struct work *work)
{
    ev_signal_stop(work->loop, &work->interrupt); /* or the next run's loop may not have the signal */
    surge_verify_close(&work->verify);
    surge_order_close(&work->order);
    surge_crowd_close(&work->crowd);
    surge_searches_close(&work->searches);
    if (work->desk.agents != NULL)
        surge_desk_close(&work->desk);
    surge_pace_close(&work->pace);
    if (work->trickle.slots != NULL)
        surge_intake_close(&work->trickle);
    if (work->fill.slots != NULL)
        surge_intake_close(&work->fill);
    aw_client_free(&work->client);
    if (work->backlog.fini != NULL)
        work->backlog.fini(work->backlog.user);
    if (work->trickle_source.fini != NULL)
        work->trickle_source.fini(work->trickle_source.user);
    surge_ledger_fini(&work->ledger);
    surge_lane_sets_fini(&work->sets);
    ev_loop_destroy(work->loop);
    free(work);
}

enum aw_err
surge_work_run(const struct surge_options *options, const char *run, struct surge_result *ret_result, struct aw_why *why)
{
    struct work *work = aw_new(struct work);
    enum aw_err  err;

    *ret_result = (struct surge_result){.work = aw_new(struct surge_work)};
    if (work != NULL)
        work->loop = ev_loop_new(EVFLAG_AUTO);
    if (work == NULL || work->loop == NULL || ret_result->work == NULL) {
        free(work);
        surge_work_free(&ret_result->work);
        return aw_why(why, AW_E_MEMORY, "no memory, or no event loop");
    }
    work->options = options;
    work->result = ret_result;
    work->out = ret_result->work;
    watch(work);
    err = open_all(work, run, why);
    if (err == AW_OK) {
        (void)ev_run(work->loop, 0);
        collect(work);
    } else {
        surge_work_free(&ret_result->work);
    }
    close_all(work);
    return err;
}

void
surge_work_free(struct surge_work **work)
{
    for (uint32_t i = 0; *work != NULL && i < (*work)->step_count; i++)
        free_step(&(*work)->steps[i]);
    free(*work);
    *work = NULL;
}

double
surge_work_best(const struct surge_work *work, aw_ns limit)
{
    double best = 0;

    for (uint32_t i = 1; i < work->step_count; i++) { /* the first was the warming up */
        const struct surge_step *step = &work->steps[i];

        if (step->searches == NULL && step->rate > best && step->waiting_view->count > 0 &&
            aw_histogram_quantile(step->waiting_view, 990000) <= limit)
            best = step->rate;
    }
    return best;
}
