/* park.c - the phases of parked pulls.
 *
 *   CONNECTING -> PARKING -> IDLE -> POSTING -> SETTLING -> DRAINING -> OVER     (DRAINING with --drain)
 */
#include "bench/surge/park.h"

#include "base/mem.h"
#include "bench/surge/answers.h"
#include "bench/surge/collect.h"
#include "bench/surge/ledger.h"
#include "bench/surge/metric.h"
#include "bench/surge/pace.h"
#include "port/clock.h"
#include "proto/media.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_S_MAX  60.0
#define PARK_S_MAX     300.0 /* a machine may be slow; beyond that the server does not come to it */
#define SETTLE_S_MAX   60.0
#define DRAIN_S_MAX    60.0
#define LOOK_S         0.1 /* between two looks at the server's counts */
#define POSTERS        4U  /* connections without pulls: posts and questions */
#define WAIT_S         50U
#define EARLY          (2 * AW_NS_PER_S) /* so much before its time a pull may not end with nothing */
#define LEASE_S        3600U
#define PULL_TIMEOUT   ((WAIT_S + 30) * AW_NS_PER_S)
#define TIMEOUT        (30 * AW_NS_PER_S)
#define EXCHANGES_MORE 65536U /* posts that have no receipt yet */
#define BODY_BYTES     192U

enum phase { CONNECTING, PARKING, IDLE, POSTING, SETTLING, DRAINING, OVER };

struct pull {
    struct park *park;
    uint32_t     line;
    bool         waits;
    aw_ns        sent_at;
};

struct post {
    struct park *park;
    uint64_t     source; /* surge_source_key */
    aw_ns        due;
    bool         acknowledged;
    bool         woke;
    char         body[BODY_BYTES];
};

struct park {
    const struct surge_options *options;
    const char                 *run;
    enum phase                  phase;
    struct ev_loop             *loop;
    struct aw_client           *client;
    struct surge_fleet          fleet; /* the last POSTERS lines have no pulls */
    struct surge_pace           pace;
    struct pull                *pulls;     /* owns */
    struct post                *posts;     /* owns; posts_max of them */
    uint32_t                   *by_source; /* owns: post + 1 by its source; a power of two */
    uint32_t                    posts_max;
    uint32_t                    slots;
    uint32_t                    waiting; /* pulls on their way or parked */
    aw_ns                       phase_at;
    bool                        looking;                         /* a question for the counts is under way */
    uint64_t                    idle_ends;                       /* pulls that ended in the idle time */
    uint64_t                    commits, pulls_counted, in_vain; /* by the server, when the idle time began */
    ev_timer                    timer;
    ev_timer                    look;
    ev_signal                   interrupt;
    char                        pull_body[64];
    struct surge_result        *result;
    struct surge_park          *out;
};

static void send_pull(struct pull *pull);
static void enter(struct park *park, enum phase phase, double seconds);

const char *
surge_park_breach_name(enum surge_park_breach breach)
{
    static const char *const names[] = {"early", "spins", "twice", "unasked", "unwoken", "drain"};

    return names[breach];
}

/* --- small things ----------------------------------------------------------------------------------------------------------- */

static void
on_broken(struct park *park, const char *why)
{
    if (!park->result->broken)
        (void)snprintf(park->result->why, sizeof(park->result->why), "%.299s", why);
    park->result->broken = true;
    park->phase = OVER;
    ev_break(park->loop, EVBREAK_ALL);
}

static void
breach(struct park *park, enum surge_park_breach which)
{
    park->out->breaches[which]++;
}

/* Of the server, when it is local. */
static void
look_at_process(struct park *park, struct surge_process *ret_process)
{
    if (park->options->pid != 0 && !surge_process_look(park->options->pid, ret_process))
        on_broken(park, "--pid: no such process");
}

static bool
submit(struct park *park, uint32_t line, const char *method, const char *path, const char *body, aw_ns timeout,
       aw_exchange_done *done, void *user)
{
    struct aw_trunk           *trunk = surge_fleet_trunk(&park->fleet, line);
    const char                *token = surge_token_for(park->options, path);
    char                       agent[24];
    struct aw_exchange_field   fields[3];
    struct aw_exchange_request request = {.method = aw_slice_str(method),
                                          .path = aw_slice_str(path),
                                          .fields = fields,
                                          .body = aw_slice_str(body),
                                          .timeout = timeout};

    (void)snprintf(agent, sizeof(agent), "park-%u", line);
    fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("aswolk-agent"), aw_slice_str(agent), false};
    if (body[0] != '\0')
        fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("content-type"), aw_media_type(AW_MEDIA_JSON), false};
    if (token != NULL)
        fields[request.field_count++] = (struct aw_exchange_field){AW_SLICE("authorization"), aw_slice_str(token), true};
    return trunk != NULL && aw_exchange_submit(trunk, &request, done, user) != NULL;
}

/* --- posts ------------------------------------------------------------------------------------------------------------------ */

static uint32_t *
slot_of(struct park *park, uint64_t source)
{
    uint32_t at = (uint32_t)(source >> 20) & (park->slots - 1);

    while (park->by_source[at] != 0 && park->posts[park->by_source[at] - 1].source != source)
        at = (at + 1) & (park->slots - 1);
    return &park->by_source[at];
}

static void
on_posted(void *user, const struct aw_exchange_result *result)
{
    struct post *post = user;
    struct park *park = post->park;
    char         name[32];
    char         why[128];

    if (result->end == AW_EXCHANGE_CLOSED)
        return;
    if (result->end != AW_EXCHANGE_ANSWERED || result->status != 202) {
        struct aw_slice problem =
            result->end == AW_EXCHANGE_ANSWERED ? surge_answer_problem(result, name) : aw_slice_str(result->why);

        (void)snprintf(why, sizeof(why), "a post was not taken: %.*s", AW_SLICE_ARGS(problem));
        on_broken(park, why);
        return;
    }
    post->acknowledged = true;
    park->out->acknowledged++;
    aw_histogram_record(&park->out->receipt, result->at - post->due);
}

static void
end_posting(struct park *park)
{
    park->out->posting_s = surge_seconds(park->phase_at, aw_clock_mono());
    look_at_process(park, &park->out->posted);
    enter(park, SETTLING, SETTLE_S_MAX);
}

static void
on_due(void *user, uint32_t nobody)
{
    struct park *park = user;
    uint32_t     number = (uint32_t)park->out->posts;
    struct post *post = &park->posts[number];
    char         id[48];
    aw_ns        due;

    if (park->phase != POSTING || !surge_pace_take(&park->pace, nobody, &due))
        return;
    (void)snprintf(id, sizeof(id), "%s-%u", park->run, number);
    *post = (struct post){.park = park, .due = due};
    post->source = surge_source_key(AW_SLICE("web"), AW_SLICE("main"), aw_slice_str(id));
    (void)snprintf(post->body, sizeof(post->body),
                   "{\"channel\":\"web\",\"source_id\":\"%s\",\"customer\":\"%s\",\"text\":\"Is my booking still valid?\"}", id,
                   id);
    *slot_of(park, post->source) = number + 1;
    park->out->posts++;
    if (!submit(park, park->out->connections + number % POSTERS, "POST", "/v1/messages", post->body, TIMEOUT, on_posted, post))
        on_broken(park, "a post could not be sent");
    else if (park->out->posts == park->posts_max)
        end_posting(park);
}

/* --- pulls ------------------------------------------------------------------------------------------------------------------ */

/* The post that a lease shows; NULL: none of ours. */
static struct post *
post_of(struct park *park, const struct surge_lease_answer *lease, bool msgpack)
{
    struct surge_walk           walk;
    struct surge_message_answer message;
    uint32_t                    number;

    surge_walk_begin(&walk, lease->messages, msgpack);
    if (lease->messages.len == 0 || !surge_walk_list(&walk) || !surge_walk_item(&walk) ||
        !surge_answer_message(&walk, &message) || surge_walk_item(&walk))
        return NULL;
    number = *slot_of(park, message.source);
    return number == 0 ? NULL : &park->posts[number - 1];
}

static void
take_leases(struct park *park, const struct aw_exchange_result *result)
{
    bool                      msgpack = surge_answer_is_msgpack(result);
    struct surge_walk         walk;
    struct surge_lease_answer lease;
    unsigned                  count = 0;

    surge_walk_begin(&walk, result->body, msgpack);
    for (bool more = surge_answer_leases(&walk); more && surge_walk_item(&walk); count++) {
        struct post *post = surge_answer_lease(&walk, &lease) ? post_of(park, &lease, msgpack) : NULL;

        if (post == NULL) {
            breach(park, SURGE_PARK_UNASKED);
        } else if (post->woke) {
            breach(park, SURGE_PARK_TWICE);
        } else {
            post->woke = true;
            park->out->woken++;
            aw_histogram_record(&park->out->wake, result->at - post->due);
        }
    }
    if (count != 1)
        breach(park, SURGE_PARK_UNASKED);
}

static void
end_in_drain(struct park *park, const struct aw_exchange_result *result)
{
    char name[32];

    if (result->end != AW_EXCHANGE_ANSWERED || result->status != 204) {
        bool            answered = result->end == AW_EXCHANGE_ANSWERED;
        struct aw_slice what = answered ? surge_answer_problem(result, name) : aw_slice_str(aw_exchange_end_name(result->end));

        surge_tally_add(&park->out->drain_other, what, 1);
        breach(park, SURGE_PARK_DRAIN);
    }
    park->out->drain_ended++;
    park->out->drain_s = surge_seconds(park->phase_at, result->at);
    if (park->waiting == 0)
        enter(park, OVER, 0);
}

static void
on_pulled(void *user, const struct aw_exchange_result *result)
{
    struct pull *pull = user;
    struct park *park = pull->park;
    char         name[32];
    char         why[128];

    if (result->end == AW_EXCHANGE_CLOSED || park->phase == OVER)
        return;
    pull->waits = false;
    park->waiting--;
    park->idle_ends += park->phase == IDLE;
    if (park->phase == DRAINING) {
        end_in_drain(park, result);
        return;
    }
    if (result->end == AW_EXCHANGE_ANSWERED && result->status == 200) {
        take_leases(park, result);
    } else if (result->end == AW_EXCHANGE_ANSWERED && result->status == 204) {
        park->out->renewed++;
        if (result->at + EARLY < pull->sent_at + WAIT_S * AW_NS_PER_S)
            breach(park, SURGE_PARK_EARLY);
    } else {
        struct aw_slice problem =
            result->end == AW_EXCHANGE_ANSWERED ? surge_answer_problem(result, name) : aw_slice_str(result->why);

        (void)snprintf(why, sizeof(why), "a pull was not taken: %.*s", AW_SLICE_ARGS(problem));
        on_broken(park, why);
        return;
    }
    send_pull(pull);
}

static void
send_pull(struct pull *pull)
{
    struct park *park = pull->park;

    pull->sent_at = aw_clock_mono();
    pull->waits = submit(park, pull->line, "POST", "/v1/leases", park->pull_body, PULL_TIMEOUT, on_pulled, pull);
    park->waiting += pull->waits;
    if (!pull->waits)
        on_broken(park, "a pull could not be sent");
}

/* --- the server's counts ---------------------------------------------------------------------------------------------------- */

static void
begin_idle(struct park *park, struct aw_slice metrics)
{
    park->out->parking_s = surge_seconds(park->phase_at, aw_clock_mono());
    park->commits = (uint64_t)surge_metric_of(metrics, "aswolk_commits_total");
    park->pulls_counted = (uint64_t)surge_metric_of(metrics, "aswolk_pulls_total");
    park->in_vain = (uint64_t)surge_metric_of(metrics, "aswolk_woken_in_vain_total");
    park->idle_ends = 0;
    enter(park, IDLE, park->options->seconds);
    look_at_process(park, &park->out->parked);
}

/* Commands of its own may be due while nothing comes (they are commits); what pulls make it do is counted by pulls. */
static void
end_idle(struct park *park, struct aw_slice metrics)
{
    uint64_t pulls = (uint64_t)surge_metric_of(metrics, "aswolk_pulls_total") - park->pulls_counted;

    park->out->idle_commits = (uint64_t)surge_metric_of(metrics, "aswolk_commits_total") - park->commits;
    if (pulls > park->idle_ends || surge_metric_of(metrics, "aswolk_woken_in_vain_total") > (double)park->in_vain)
        breach(park, SURGE_PARK_SPINS);
    enter(park, POSTING, park->options->seconds + SETTLE_S_MAX);
}

/* All that was posted is with somebody, and all pulls wait again. */
static void
settle(struct park *park, struct aw_slice metrics)
{
    park->out->woken_in_vain = (uint64_t)surge_metric_of(metrics, "aswolk_woken_in_vain_total") - park->in_vain;
    if (park->out->acknowledged == park->out->posts && park->out->woken >= park->out->posts &&
        surge_metric_of(metrics, "aswolk_parked_pulls") >= park->out->pulls)
        enter(park, park->options->drain ? DRAINING : OVER, DRAIN_S_MAX);
}

static void
on_counts(void *user, const struct aw_exchange_result *result)
{
    struct park *park = user;

    park->looking = false;
    if (result->end == AW_EXCHANGE_CLOSED)
        return;
    if (result->end != AW_EXCHANGE_ANSWERED || result->status != 200) {
        on_broken(park, "the server's metrics can't be read");
        return;
    }
    if (park->phase == PARKING && surge_metric_of(result->body, "aswolk_parked_pulls") >= park->out->pulls)
        begin_idle(park, result->body);
    else if (park->phase == IDLE)
        end_idle(park, result->body);
    else if (park->phase == SETTLING)
        settle(park, result->body);
}

static void
ask_counts(struct park *park)
{
    if (park->looking)
        return;
    park->looking = submit(park, park->out->connections, "GET", "/metrics", "", TIMEOUT, on_counts, park);
    if (!park->looking)
        on_broken(park, "the server's metrics can't be asked for");
}

static void
on_look(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct park *park = timer->data;

    (void)loop;
    (void)events;
    if (park->phase == PARKING || park->phase == SETTLING)
        ask_counts(park);
    else
        ev_timer_stop(park->loop, timer);
}

/* --- phases ----------------------------------------------------------------------------------------------------------------- */

static void
begin_parking(struct park *park)
{
    look_at_process(park, &park->out->connected);
    for (uint32_t i = 0; i < park->out->pulls && park->phase == PARKING; i++)
        send_pull(&park->pulls[i]);
    ev_timer_again(park->loop, &park->look);
}

static void
begin_drain(struct park *park)
{
    park->out->drained = true;
    if (kill((pid_t)park->options->pid, SIGTERM) != 0)
        on_broken(park, "--drain: the server could not be told to stop");
}

static void
end_run(struct park *park)
{
    for (uint64_t i = 0; i < park->out->posts; i++)
        park->out->breaches[SURGE_PARK_UNWOKEN] += park->posts[i].acknowledged && !park->posts[i].woke;
    ev_break(park->loop, EVBREAK_ALL);
}

static void
enter(struct park *park, enum phase phase, double seconds)
{
    park->phase = phase;
    park->phase_at = aw_clock_mono();
    ev_timer_stop(park->loop, &park->timer);
    ev_now_update(park->loop);
    ev_timer_set(&park->timer, seconds, 0.);
    ev_timer_start(park->loop, &park->timer);
    switch (phase) {
    case PARKING:
        begin_parking(park);
        break;
    case POSTING:
        surge_pace_start(&park->pace, park->options->rate, park->phase_at);
        break;
    case SETTLING:
        surge_pace_start(&park->pace, 0, 0);
        ev_timer_again(park->loop, &park->look);
        break;
    case DRAINING:
        begin_drain(park);
        break;
    case OVER:
        end_run(park);
        break;
    case CONNECTING:
    case IDLE:
        break;
    }
}

/* The time of a phase is over: for some that is their end, for others too late. */
static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct park *park = timer->data;

    (void)loop;
    (void)events;
    switch (park->phase) {
    case CONNECTING:
        on_broken(park, park->fleet.why[0] != '\0' ? park->fleet.why : "not all connections stood in time");
        break;
    case PARKING:
        on_broken(park, "the server never counted all pulls as parked");
        break;
    case IDLE:
        park->out->idle_s = surge_seconds(park->phase_at, aw_clock_mono());
        look_at_process(park, &park->out->idle);
        ask_counts(park);
        break;
    case POSTING:
        on_broken(park, "posts could not be sent in time");
        break;
    case SETTLING: /* what is missing is counted at the end */
        enter(park, park->options->drain ? DRAINING : OVER, DRAIN_S_MAX);
        break;
    case DRAINING:
        park->out->breaches[SURGE_PARK_DRAIN] += park->waiting;
        enter(park, OVER, 0);
        break;
    case OVER:
        break;
    }
}

static void
on_opened(void *user, uint32_t line)
{
    struct park *park = user;

    (void)line;
    if (park->phase == CONNECTING && park->fleet.open == park->fleet.config.count)
        enter(park, PARKING, PARK_S_MAX);
}

static void
on_died(void *user, uint32_t line)
{
    struct park *park = user;

    (void)line;
    if (park->phase != DRAINING && park->phase != OVER)
        on_broken(park, park->fleet.why);
}

static void
on_interrupt(struct ev_loop *loop, ev_signal *signal_, int events)
{
    (void)loop;
    (void)events;
    on_broken(signal_->data, "interrupted");
}

/* --- one run ---------------------------------------------------------------------------------------------------------------- */

static bool
make_tables(struct park *park)
{
    const struct surge_options *options = park->options;

    park->posts_max = options->rate * options->seconds < 1 ? 1 : (uint32_t)(options->rate * options->seconds);
    park->slots = 64;
    while (park->slots < 2 * park->posts_max)
        park->slots *= 2;
    park->pulls = aw_new_array(struct pull, options->pulls);
    park->posts = aw_new_array(struct post, park->posts_max);
    park->by_source = aw_new_array(uint32_t, park->slots);
    for (uint32_t i = 0; park->pulls != NULL && i < options->pulls; i++) /* one connection's after the other's */
        park->pulls[i] = (struct pull){.park = park, .line = (uint32_t)((uint64_t)i * options->connections / options->pulls)};
    return park->pulls != NULL && park->posts != NULL && park->by_source != NULL;
}

static enum aw_err
open_all(struct park *park, struct aw_why *why)
{
    const struct surge_options   *options = park->options;
    const struct aw_client_config client = {.loop = park->loop,
                                            .exchanges_max = options->pulls + EXCHANGES_MORE,
                                            .ca_file = options->ca_file,
                                            .insecure = options->insecure,
                                            .connect_ns_max = (aw_ns)CONNECT_S_MAX * AW_NS_PER_S};
    struct surge_fleet_config     fleet = {.loop = park->loop,
                                           .url = options->url,
                                           .count = options->connections + POSTERS,
                                           .opened = on_opened,
                                           .died = on_died,
                                           .user = park};
    enum aw_err                   err = AW_OK;

    (void)snprintf(park->pull_body, sizeof(park->pull_body), "{\"max\":1,\"wait_s\":%u,\"lease_s\":%u}", WAIT_S, LEASE_S);
    look_at_process(park, &park->out->before);
    if (park->result->broken)
        return aw_why(why, AW_E_CONFIG, "%s", park->result->why);
    if (!make_tables(park))
        return aw_why(why, AW_E_MEMORY, "out of memory");
    err = surge_pace_open(&park->pace, park->loop, 1, on_due, park, why);
    if (err == AW_OK)
        err = aw_client_new(&park->client, &client, why);
    fleet.client = park->client;
    if (err == AW_OK)
        err = surge_fleet_open(&park->fleet, &fleet, why);
    return err;
}

static void
watch(struct park *park)
{
    ev_timer_init(&park->timer, on_timer, CONNECT_S_MAX, 0.);
    park->timer.data = park;
    ev_timer_start(park->loop, &park->timer);
    ev_init(&park->look, on_look);
    park->look.repeat = LOOK_S;
    park->look.data = park;
    ev_signal_init(&park->interrupt, on_interrupt, SIGINT);
    park->interrupt.data = park;
    ev_signal_start(park->loop, &park->interrupt);
}

static void
close_all(struct park *park)
{
    ev_signal_stop(park->loop, &park->interrupt); /* or the next run's loop may not have the signal */
    park->phase = OVER;
    surge_fleet_close(&park->fleet);
    surge_pace_close(&park->pace);
    aw_client_free(&park->client);
    free(park->pulls);
    free(park->posts);
    free(park->by_source);
    ev_loop_destroy(park->loop);
    free(park);
}

static void
collect(struct park *park)
{
    bool well = !park->result->broken;

    for (unsigned i = 0; i < SURGE_PARK_BREACHES; i++)
        well = well && park->out->breaches[i] == 0;
    park->result->has_audit = true;
    park->result->audit_passed = well;
}

enum aw_err
surge_park_run(const struct surge_options *options, const char *run, struct surge_result *ret_result, struct aw_why *why)
{
    struct park *park = aw_new(struct park);
    enum aw_err  err;

    *ret_result = (struct surge_result){.park = aw_new(struct surge_park)};
    if (park != NULL)
        park->loop = ev_loop_new(EVFLAG_AUTO);
    if (park == NULL || park->loop == NULL || ret_result->park == NULL) {
        free(park);
        free(ret_result->park);
        ret_result->park = NULL;
        return aw_why(why, AW_E_MEMORY, "no memory, or no event loop");
    }
    park->options = options;
    park->run = run;
    park->result = ret_result;
    park->out = ret_result->park;
    park->out->pulls = options->pulls;
    park->out->connections = options->connections;
    park->out->has_process = options->pid != 0;
    watch(park);
    err = open_all(park, why);
    if (err == AW_OK) {
        (void)ev_run(park->loop, 0);
        collect(park);
    } else {
        free(ret_result->park);
        ret_result->park = NULL;
    }
    close_all(park);
    return err;
}
