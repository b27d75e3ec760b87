/* fair.c - spells: a poster, a flood, or both. */
#include "bench/surge/fair.h"

#include "base/mem.h"
#include "base/stats.h"
#include "bench/arrivals/random.h"
#include "bench/surge/figures.h"
#include "bench/surge/fleet.h"
#include "bench/surge/run.h"
#include "bench/surge/source.h"
#include "port/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM_S        0.5 /* until the flood stands */
#define CONNECT_S_MAX 15.0
#define BODY_ROOM     65536U
/* Of posts at random moments, under way at once; those due beyond them are late, and measured from when they were due. */
#define POSTS_MAX 64U

/* What the flood's process tells in the end. */
struct flood_word {
    double per_second;
    double refused_per_second;
    bool   broken;
    char   why[300];
};

/* One under way. */
struct post {
    struct poster *poster;
    aw_ns          from; /* when it was sent or, with a rate, due */
    bool           is_out;
    char           body[BODY_ROOM];
};

struct poster {
    const struct surge_options *options;
    struct ev_loop             *loop;
    struct aw_client           *client;
    struct surge_fleet          fleet;
    struct surge_source         source;
    struct aw_histogram         latency;
    ev_timer                    timer;
    ev_io                       word; /* the flood has ended; not started without one */
    ev_io                       due;  /* of a timer descriptor: a post is due; started with a rate only */
    struct surge_random         random;
    aw_ns                       next;        /* due then */
    aw_ns                       from, until; /* posts from between them count */
    bool                        is_over;
    bool                        is_timed; /* the time is over */
    bool                        has_flood;
    struct post                *posts; /* owns */
    uint32_t                    post_count;
    struct aw_why              *why;
    enum aw_err                 err;
};

/* --- the flood ---------------------------------------------------------------------------------------------------------------- */

/* Where a spell's flood goes. */
static const struct aw_url *
flooded(const struct surge_options *options, enum surge_fair_kind kind)
{
    if (kind == SURGE_FAIR_ELSEWHERE)
        return &options->baseline;
    return kind == SURGE_FAIR_LIMITED ? &options->limited : &options->url;
}

/* By so much more than it does already; the kernel stops at 19. */
static void
give_way(int more)
{
    int nice;

    errno = 0;
    nice = getpriority(PRIO_PROCESS, 0);
    if (more > 0 && errno == 0)
        (void)setpriority(PRIO_PROCESS, 0, nice + more); /* to give way is always allowed */
}

static void
be_the_flood(const struct surge_options *options, enum surge_fair_kind kind, const struct surge_fair_size *size, const char *run,
             int to)
{
    struct surge_options flood = *options;
    struct surge_result  result;
    struct flood_word    word = {.broken = true};
    struct aw_why        why = {.text = ""};

    flood.mode = SURGE_FLOOD;
    flood.batch = size->batch;
    flood.connections = size->connections;
    flood.streams = size->streams;
    flood.media = size->batch > 1 ? AW_MEDIA_NDJSON : AW_MEDIA_JSON;
    flood.rate = 0;
    flood.seconds = options->seconds + WARM_S;
    flood.as = "surge-flood";
    if (options->flood_token != NULL)
        flood.token = options->flood_token;
    give_way((int)options->flood_nice);
    if (surge_run(&flood, flooded(options, kind), SURGE_ANY, run, &result, &why) != AW_OK) {
        (void)snprintf(word.why, sizeof(word.why), "%s", why.text);
    } else {
        word.broken = result.broken || (result.accepted == 0 && kind != SURGE_FAIR_LIMITED);
        (void)snprintf(word.why, sizeof(word.why), "%s", result.broken ? result.why : "nothing of it was accepted");
        if (result.post_s > 0) {
            word.per_second = (double)result.accepted / result.post_s;
            word.refused_per_second = (double)surge_tally_sum(&result.refused) / result.post_s;
        }
    }
    (void)!write(to, &word, sizeof(word)); /* the reader sees that it is not whole */
    _exit(0);
}

/* Returns its process; *ret_word is where its word will come. */
static pid_t
start_flood(const struct surge_options *options, enum surge_fair_kind kind, const struct surge_fair_size *size, const char *run,
            int *ret_word)
{
    int   ends[2];
    pid_t pid;

    if (pipe(ends) != 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        be_the_flood(options, kind, size, run, ends[1]);
    }
    (void)close(ends[1]);
    if (pid < 0)
        (void)close(ends[0]);
    *ret_word = ends[0];
    return pid;
}

static enum aw_err
end_flood(pid_t pid, int from, struct surge_fair_spell *spell, struct aw_why *why)
{
    struct flood_word word = {.broken = true, .why = "its process ended without a word"};
    struct flood_word told;
    ssize_t           count;

    do {
        count = read(from, &told, sizeof(told));
    } while (count < 0 && errno == EINTR);
    if (count == (ssize_t)sizeof(told))
        word = told;
    (void)close(from);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    spell->flood_per_second = word.per_second;
    spell->refused_per_second = word.refused_per_second;
    return word.broken ? aw_why(why, AW_E_IO, "the flood: %s", word.why) : AW_OK;
}

/* --- the poster --------------------------------------------------------------------------------------------------------------- */

static void
stop(struct poster *poster, enum aw_err err)
{
    if (!poster->is_over)
        poster->err = err;
    poster->is_over = true;
    ev_break(poster->loop, EVBREAK_ALL);
}

static void on_posted(void *user, const struct aw_exchange_result *result);

/* False: it could not be sent now. */
static bool
send_post(struct post *post, aw_ns from)
{
    struct poster                 *poster = post->poster;
    const struct surge_options    *options = poster->options;
    const struct aw_exchange_field fields[] = {
        {.name = AW_SLICE("content-type"), .value = AW_SLICE("application/json")},
        {.name = AW_SLICE("aswolk-agent"), .value = AW_SLICE("surge-poster")},
        {.name = AW_SLICE("authorization"), .value = aw_slice_str(options->token), .secret = true},
    };
    struct aw_exchange_request request = {.method = AW_SLICE("POST"),
                                          .path = aw_slice_str(options->path),
                                          .fields = fields,
                                          .field_count = options->token != NULL ? AW_ARRAY_LEN(fields) : AW_ARRAY_LEN(fields) - 1,
                                          .timeout = (aw_ns)(options->timeout_s * (double)AW_NS_PER_S)};
    struct aw_trunk           *trunk = surge_fleet_trunk(&poster->fleet, 0);
    struct aw_buffer           buffer;
    uint64_t                   key;

    if (trunk == NULL)
        return false; /* the fleet opens it again */
    aw_buffer_init_fixed(&buffer, post->body, sizeof(post->body));
    poster->source.write(poster->source.user, &buffer, AW_MEDIA_JSON, &key);
    poster->source.next(poster->source.user);
    request.body = aw_buffer_slice(&buffer);
    post->from = from;
    post->is_out = true;
    if (buffer.failed || aw_exchange_submit(trunk, &request, on_posted, post) == NULL) {
        stop(poster, aw_why(poster->why, AW_E_MEMORY, "a post could not be sent"));
        return false;
    }
    return true;
}

static bool
has_rate(const struct poster *poster)
{
    return poster->options->rate > 0;
}

/* The moments of a Poisson process: they know nothing of the server's, as those of customers. */
static void
send_due(struct poster *poster)
{
    aw_ns             now = aw_clock_mono();
    struct itimerspec when = {.it_value = {.tv_sec = 0}};

    for (uint32_t i = 0; i < poster->post_count && poster->next <= now && !poster->is_over; i++) {
        if (poster->posts[i].is_out)
            continue;
        if (!send_post(&poster->posts[i], poster->next))
            return;
        poster->next += (aw_ns)(surge_random_exponential(&poster->random) / poster->options->rate * (double)AW_NS_PER_S);
    }
    if (poster->next <= now)
        return; /* all are out: the next answer goes on */
    when.it_value =
        (struct timespec){.tv_sec = (time_t)(poster->next / AW_NS_PER_S), .tv_nsec = (long)(poster->next % AW_NS_PER_S)};
    (void)timerfd_settime(poster->due.fd, TFD_TIMER_ABSTIME, &when, NULL); /* a valid time: cannot fail */
}

static void
on_due(struct ev_loop *loop, ev_io *io, int events)
{
    struct poster *poster = io->data;
    uint64_t       times;

    (void)loop;
    (void)events;
    (void)!read(io->fd, &times, sizeof(times)); /* only to make it unreadable again */
    send_due(poster);
}

static void
on_posted(void *user, const struct aw_exchange_result *result)
{
    struct post   *post = user;
    struct poster *poster = post->poster;

    post->is_out = false;
    if (poster->is_over)
        return;
    if (result->end != AW_EXCHANGE_ANSWERED || result->status != 202) {
        stop(poster, aw_why(poster->why, AW_E_IO, "the poster: %s, status %u", aw_exchange_end_name(result->end),
                            result->end == AW_EXCHANGE_ANSWERED ? result->status : 0));
        return;
    }
    if (post->from >= poster->from && post->from < poster->until)
        aw_histogram_record(&poster->latency, result->at - post->from);
    if (has_rate(poster))
        send_due(poster);
    else
        (void)send_post(post, aw_clock_mono());
}

static void
on_opened(void *user, uint32_t line)
{
    struct poster *poster = user;

    (void)line;
    if (poster->from == 0) {
        poster->from = aw_clock_mono() + (aw_ns)(WARM_S * (double)AW_NS_PER_S);
        poster->until = poster->from + (aw_ns)(poster->options->seconds * (double)AW_NS_PER_S);
        ev_timer_stop(poster->loop, &poster->timer);
        ev_timer_set(&poster->timer, WARM_S + poster->options->seconds, 0.);
        ev_timer_start(poster->loop, &poster->timer);
        poster->next = aw_clock_mono();
    }
    if (has_rate(poster))
        send_due(poster);
    else if (!poster->posts[0].is_out)
        (void)send_post(&poster->posts[0], aw_clock_mono());
}

static void
on_died(void *user, uint32_t line)
{
    struct poster *poster = user;

    (void)line;
    stop(poster, aw_why(poster->why, AW_E_IO, "the poster: %s", poster->fleet.why));
}

/* It posts until the flood has ended too, so that the flood never is alone. */
static void
on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct poster *poster = timer->data;

    (void)loop;
    (void)events;
    if (poster->from == 0)
        stop(poster, aw_why(poster->why, AW_E_IO, "the poster: no connection in time"));
    poster->is_timed = true;
    if (!poster->has_flood)
        stop(poster, AW_OK);
}

static void
on_word(struct ev_loop *loop, ev_io *io, int events)
{
    struct poster *poster = io->data;

    (void)events;
    poster->has_flood = false;
    ev_io_stop(loop, io);
    if (poster->is_timed)
        stop(poster, AW_OK);
}

static enum aw_err
open_posts(struct poster *poster, struct aw_why *why)
{
    int fd = -1;

    poster->post_count = has_rate(poster) ? POSTS_MAX : 1;
    poster->posts = aw_new_array(struct post, poster->post_count);
    if (poster->posts == NULL)
        return aw_why(why, AW_E_MEMORY, "no room for posts");
    for (uint32_t i = 0; i < poster->post_count; i++)
        poster->posts[i].poster = poster;
    if (!has_rate(poster))
        return AW_OK;
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0)
        return aw_why_errno(why, AW_E_IO, errno, "timerfd");
    ev_io_set(&poster->due, fd, EV_READ);
    ev_io_start(poster->loop, &poster->due);
    return AW_OK;
}

static void
close_posts(struct poster *poster)
{
    if (poster->due.fd >= 0) {
        ev_io_stop(poster->loop, &poster->due);
        (void)close(poster->due.fd);
    }
    free(poster->posts);
}

static enum aw_err
open_poster(struct poster *poster, const struct aw_url *url, const char *run, struct aw_why *why)
{
    const struct surge_options   *options = poster->options;
    const struct aw_client_config client = {.loop = poster->loop, .ca_file = options->ca_file, .insecure = options->insecure};
    struct surge_fleet_config     fleet = {
            .loop = poster->loop, .url = *url, .count = 1, .opened = on_opened, .died = on_died, .user = poster};
    struct surge_options single = *options;
    enum aw_err          err;

    single.media = AW_MEDIA_JSON;
    single.batch = 1;
    err = open_posts(poster, why);
    if (err == AW_OK)
        err = surge_flood_open(&poster->source, &single, run, why);
    if (err == AW_OK)
        err = aw_client_new(&poster->client, &client, why);
    fleet.client = poster->client;
    return err == AW_OK ? surge_fleet_open(&poster->fleet, &fleet, why) : err;
}

/* `word`: where the flood's comes; below 0: there is none. */
static enum aw_err
run_poster(const struct surge_options *options, const struct aw_url *url, const char *run, int word,
           struct surge_fair_spell *ret_spell, struct aw_why *why)
{
    struct poster           *poster = calloc(1, sizeof(*poster));
    struct aw_histogram_view view = {.count = 0};
    enum aw_err              err;

    if (poster == NULL || (poster->loop = ev_loop_new(EVFLAG_AUTO)) == NULL) {
        free(poster);
        return aw_why(why, AW_E_MEMORY, "no event loop");
    }
    poster->options = options;
    poster->why = why;
    poster->has_flood = word >= 0;
    poster->random = surge_random_of(options->seed);
    aw_histogram_init(&poster->latency);
    ev_timer_init(&poster->timer, on_time, CONNECT_S_MAX, 0.);
    poster->timer.data = poster;
    ev_timer_start(poster->loop, &poster->timer);
    ev_io_init(&poster->word, on_word, word < 0 ? 0 : word, EV_READ);
    poster->word.data = poster;
    if (word >= 0)
        ev_io_start(poster->loop, &poster->word);
    ev_io_init(&poster->due, on_due, -1, EV_READ);
    poster->due.data = poster;
    err = open_poster(poster, url, run, why);
    if (err == AW_OK) {
        (void)ev_run(poster->loop, 0);
        err = poster->err;
        aw_histogram_collect(&poster->latency, &view);
        *ret_spell = (struct surge_fair_spell){
            .p50_ms = surge_ms_of(&view, 500000), .p99_ms = surge_ms_of(&view, 990000), .posts = view.count};
    }
    poster->is_over = true;
    surge_fleet_close(&poster->fleet);
    aw_client_free(&poster->client);
    if (poster->source.fini != NULL)
        poster->source.fini(poster->source.user);
    close_posts(poster);
    ev_loop_destroy(poster->loop);
    free(poster);
    return err;
}

/* --- spells ------------------------------------------------------------------------------------------------------------------- */

static enum aw_err
run_spell(const struct surge_options *options, enum surge_fair_kind kind, const struct surge_fair_size *size, const char *run,
          struct surge_fair_spell *ret_spell, struct aw_why *why)
{
    char          name[80];
    struct aw_why flood_why;
    enum aw_err   err = AW_OK, flood_err = AW_OK;
    int           word = -1;
    pid_t         pid = 0;

    *ret_spell = (struct surge_fair_spell){.posts = 0};
    (void)snprintf(name, sizeof(name), "%.60s-f", run);
    if (kind != SURGE_FAIR_ALONE)
        pid = start_flood(options, kind, size, name, &word);
    if (pid < 0)
        return aw_why_errno(why, AW_E_IO, errno, "no process for the flood");
    if (kind != SURGE_FAIR_FLOOD)
        err = run_poster(options, kind == SURGE_FAIR_LIMITED ? &options->limited : &options->url, run, word, ret_spell, why);
    if (pid > 0)
        flood_err = end_flood(pid, word, ret_spell, &flood_why);
    if (err == AW_OK && flood_err != AW_OK)
        return aw_why(why, flood_err, "%s", flood_why.text);
    return err;
}

static void
describe(struct surge_fair *fair, const struct surge_options *options)
{
    fair->rounds = options->rounds;
    fair->has_elsewhere = options->has_baseline;
    fair->has_limited = options->has_limited;
    fair->size_count = options->batch_count;
    for (uint32_t i = 0; i < fair->size_count; i++) {
        struct surge_fair_size *size = &fair->sizes[i];
        bool                    single = options->batches[i] <= 1;

        size->batch = (uint32_t)options->batches[i];
        size->connections = options->connections != 0 ? options->connections : single ? 100 : 4;
        size->streams = options->streams != 0 ? options->streams : single ? 10 : 2;
    }
}

enum aw_err
surge_fair_run(const struct surge_options *options, const char *run, struct surge_fair *ret_fair, struct aw_why *why)
{
    enum aw_err err = AW_OK;
    char        name[64];

    describe(ret_fair, options);
    for (uint32_t round = 0; round < options->rounds; round++) {
        for (uint32_t i = 0; i < ret_fair->size_count; i++) {
            struct surge_fair_size *size = &ret_fair->sizes[i];

            for (unsigned kind = 0; kind < SURGE_FAIR_KINDS; kind++) {
                if ((kind == SURGE_FAIR_ELSEWHERE && !options->has_baseline) ||
                    (kind == SURGE_FAIR_LIMITED && !options->has_limited))
                    continue;
                (void)snprintf(name, sizeof(name), "%.12s-%u-%u-%u", run, round, i, kind);
                err = run_spell(options, (enum surge_fair_kind)kind, size, name, &size->spells[kind][round], why);
                if (err != AW_OK)
                    return err;
            }
        }
    }
    return AW_OK;
}
