/* work_report.c - see work_report.h. */
#include "bench/surge/work_report.h"

#include "bench/surge/figures.h"

#include <string.h>

#define GOAL_NS        (5 * AW_NS_PER_MS)  /* 99 of 100 pulls, at most */
#define GROUND_GOAL_NS (20 * AW_NS_PER_MS) /* the same while an airport closes */

/* --- text ------------------------------------------------------------------------------------------------------------------- */

static void
print_pulls(FILE *to, const char *name, const struct aw_histogram_view *view)
{
    (void)fprintf(to, "    %-9s", name);
    for (unsigned i = 0; i < SURGE_QUANTILES; i++)
        (void)fprintf(to, " %9.3f", surge_ms_of(view, surge_quantiles[i]));
    (void)fprintf(to, " %9.3f  (%llu)\n", (double)view->max / 1e6, (unsigned long long)view->count);
}

static void
print_step(FILE *to, const struct surge_step *step)
{
    double seconds = step->seconds;

    (void)fprintf(to, "  %-8s %6.0f/s, %u x %.3f s: answered %.0f/s, without a ticket %llu", step->name, step->rate, step->times,
                  seconds / step->times, seconds > 0 ? (double)step->pulls / seconds : 0, (unsigned long long)step->empty);
    if (step->commits.groups > 0)
        (void)fprintf(to, "; commits %.0f/s of %.1f commands, %.3f ms each on average",
                      seconds > 0 ? (double)step->commits.groups / seconds : 0,
                      step->commits.records / (double)step->commits.groups,
                      1e3 * step->commits.seconds / (double)step->commits.groups);
    (void)fputc('\n', to);
    if (step->waiting_view->count > 0)
        print_pulls(to, "waiting", step->waiting_view);
    if (step->parked_view->count > 0)
        print_pulls(to, "parked", step->parked_view);
    if (step->searches != NULL)
        print_pulls(to, "searches", step->searches_view);
}

static void
print_ground(const struct surge_work *work, FILE *to)
{
    struct aw_histogram_view meanwhile = {.count = 0};

    for (uint32_t i = 0; i < work->step_count; i++) {
        const char *name = work->steps[i].name;

        if (strcmp(name, "closing") == 0 || strcmp(name, "opening") == 0)
            aw_histogram_merge(&meanwhile, work->steps[i].waiting_view);
    }
    (void)fprintf(
        to,
        "airport closed over %llu tickets: answered in %.1f ms, in effect after %.1f ms; undone: answered in %.1f ms, in "
        "effect after %.1f ms (the slowest of each)\n",
        (unsigned long long)work->grounded, 1e3 * work->close_answered_s, 1e3 * work->close_effective_s,
        1e3 * work->undo_answered_s, 1e3 * work->undo_effective_s);
    (void)fprintf(to, "  pulls due until it was in effect: p99 %.3f ms (%llu), goal %.0f ms\n", surge_ms_of(&meanwhile, 990000),
                  (unsigned long long)meanwhile.count, (double)GROUND_GOAL_NS / 1e6);
    (void)fprintf(to, "  leased as imminent by pulls sent while it was in effect: %llu%s\n",
                  (unsigned long long)work->grounded_leases, work->grounded_leases > 0 ? " BREACH" : "");
    (void)fprintf(to, "  order of %llu tickets that waited before and after: %016llx and %016llx, %llu in another place%s\n",
                  (unsigned long long)work->compared, (unsigned long long)work->order_before,
                  (unsigned long long)work->order_after, (unsigned long long)work->displaced,
                  work->displaced > 0 ? " BREACH" : "");
}

void
surge_work_text(const struct surge_work *work, const struct surge_options *options, FILE *to)
{
    (void)fprintf(
        to, "desk: %llu tickets waiting in %u of %u lanes (filled in %.1f s), %u agents of %u to %u lanes (half: %u or more)\n",
        (unsigned long long)work->backlog, options->lanes, work->lanes, work->fill_s, options->agents, work->lanes_least,
        work->lanes_most, work->lanes_median);
    (void)fprintf(to, "  each lease held %u ms and completed; %.0f posts a second to all lanes meanwhile\n", options->handling_ms,
                  options->rate);
    if (work->has_floor) {
        for (unsigned i = 0; i < 2; i++) {
            struct aw_histogram_view floor = {.count = 0};

            aw_histogram_collect(&work->floor[i], &floor);
            (void)fprintf(to, "  a flush of 4 KiB, %s: p50 %.3f, p99 %.3f, max %.3f ms\n", i == 0 ? "before" : "afterwards",
                          surge_ms_of(&floor, 500000), surge_ms_of(&floor, 990000), (double)floor.max / 1e6);
        }
    }
    (void)fprintf(to, "pulls, ms:          p50       p90       p99     p99.9       max\n");
    for (uint32_t i = 0; i < work->step_count; i++)
        print_step(to, &work->steps[i]);
    if (work->searches_refused > 0)
        (void)fprintf(to, "  searches without an answer: %llu\n", (unsigned long long)work->searches_refused);
    if (work->is_ground)
        print_ground(work, to);
    else
        (void)fprintf(to, "  highest of these rates with p99 of at most %.0f ms: %.0f/s\n", (double)GOAL_NS / 1e6,
                      surge_work_best(work, GOAL_NS));
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------- */

static void
json_step(struct aw_json *json, const struct surge_step *step)
{
    uint64_t groups = step->commits.groups;

    aw_json_object_begin(json);
    aw_json_key(json, "name");
    aw_json_str(json, step->name);
    surge_json_real(json, "rate", step->rate);
    surge_json_real(json, "seconds", step->seconds);
    surge_json_u64(json, "pulls", step->pulls);
    surge_json_u64(json, "empty", step->empty);
    surge_json_latency(json, "waiting_ms", step->waiting_view);
    surge_json_latency(json, "parked_ms", step->parked_view);
    if (step->searches != NULL)
        surge_json_latency(json, "searches_ms", step->searches_view);
    surge_json_u64(json, "commits", groups);
    surge_json_real(json, "commit_ms_mean", groups > 0 ? 1e3 * step->commits.seconds / (double)groups : 0);
    surge_json_real(json, "commands_a_commit", groups > 0 ? step->commits.records / (double)groups : 0);
    aw_json_object_end(json);
}

static void
json_ground(struct aw_json *json, const struct surge_work *work)
{
    char digest[2][17];

    (void)snprintf(digest[0], sizeof(digest[0]), "%016llx", (unsigned long long)work->order_before);
    (void)snprintf(digest[1], sizeof(digest[1]), "%016llx", (unsigned long long)work->order_after);
    aw_json_key(json, "ground");
    aw_json_object_begin(json);
    surge_json_u64(json, "tickets", work->grounded);
    surge_json_real(json, "close_answered_ms", 1e3 * work->close_answered_s);
    surge_json_real(json, "close_effective_ms", 1e3 * work->close_effective_s);
    surge_json_real(json, "undo_answered_ms", 1e3 * work->undo_answered_s);
    surge_json_real(json, "undo_effective_ms", 1e3 * work->undo_effective_s);
    surge_json_u64(json, "grounded_leases", work->grounded_leases);
    surge_json_u64(json, "compared", work->compared);
    surge_json_u64(json, "displaced", work->displaced);
    aw_json_key(json, "order_before");
    aw_json_str(json, digest[0]);
    aw_json_key(json, "order_after");
    aw_json_str(json, digest[1]);
    aw_json_object_end(json);
}

void
surge_work_json(const struct surge_work *work, struct aw_json *json)
{
    aw_json_object_begin(json);
    surge_json_u64(json, "backlog", work->backlog);
    surge_json_u64(json, "lanes", work->lanes);
    surge_json_u64(json, "lanes_least", work->lanes_least);
    surge_json_u64(json, "lanes_median", work->lanes_median);
    surge_json_u64(json, "lanes_most", work->lanes_most);
    for (unsigned i = 0; work->has_floor && i < 2; i++) {
        struct aw_histogram_view floor = {.count = 0};

        aw_histogram_collect(&work->floor[i], &floor);
        surge_json_latency(json, i == 0 ? "floor_before_ms" : "floor_afterwards_ms", &floor);
    }
    aw_json_key(json, "steps");
    aw_json_array_begin(json);
    for (uint32_t i = 0; i < work->step_count; i++)
        json_step(json, &work->steps[i]);
    aw_json_array_end(json);
    if (work->is_ground)
        json_ground(json, work);
    else
        surge_json_real(json, "best_rate", surge_work_best(work, GOAL_NS));
    aw_json_object_end(json);
}
