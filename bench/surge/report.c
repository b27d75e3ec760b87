/* report.c - the numbers of a run, in words and as JSON. */
#include "bench/surge/report.h"

#include "bench/surge/figures.h"
#include "bench/surge/park_report.h"
#include "bench/surge/work_report.h"

#include <stdlib.h>
#include <string.h>

#define JSON_ROOM (256U * 1024U)

static int
compare_reals(const void *a, const void *b)
{
    double one = *(const double *)a;
    double two = *(const double *)b;

    return one < two ? -1 : one > two;
}

double
surge_median(const double *values, uint32_t count)
{
    double sorted[SURGE_ROUNDS_MAX];

    AW_ASSERT(count > 0 && count <= SURGE_ROUNDS_MAX);
    memcpy(sorted, values, count * sizeof(values[0]));
    qsort(sorted, count, sizeof(sorted[0]), compare_reals);
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

static double
per_second(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

/* Of each round on its own: neighbours in time share the machine's mood. */
static void
ratios_of(const struct surge_report *report, double *ratios)
{
    for (uint32_t i = 0; i < report->rounds; i++)
        ratios[i] = report->baseline[i] > 0 ? report->rates[i] / report->baseline[i] : 0;
}

static double
least(const double *values, uint32_t count)
{
    double value = values[0];

    for (uint32_t i = 1; i < count; i++)
        value = values[i] < value ? values[i] : value;
    return value;
}

static double
largest(const double *values, uint32_t count)
{
    double value = values[0];

    for (uint32_t i = 1; i < count; i++)
        value = values[i] > value ? values[i] : value;
    return value;
}

/* --- text ------------------------------------------------------------------------------------------------------------------- */

static void
print_latency(FILE *to, const char *name, const struct aw_histogram_view *view)
{
    if (view->count == 0)
        return;
    (void)fprintf(to, "  %-22s", name);
    for (unsigned i = 0; i < SURGE_QUANTILES; i++)
        (void)fprintf(to, "  %s %.3f", surge_quantile_names[i], surge_ms_of(view, surge_quantiles[i]));
    (void)fprintf(to, "  max %.3f ms  (%llu)\n", (double)view->max / 1e6, (unsigned long long)view->count);
}

static void
print_tally(FILE *to, const char *what, const struct surge_tally *tally)
{
    if (tally->count == 0)
        return;
    (void)fprintf(to, "  %s", what);
    for (uint32_t i = 0; i < tally->count; i++)
        (void)fprintf(to, "%s %s %llu", i == 0 ? ":" : ",", tally->rows[i].name, (unsigned long long)tally->rows[i].times);
    (void)fputc('\n', to);
}

static void
print_posts(const struct surge_report *report, FILE *to)
{
    const struct surge_result *result = report->result;
    uint64_t                   receipts = result->accepted + result->duplicates + result->recovered;

    (void)fprintf(to, "posts: %llu messages in %llu requests, %.2f s\n", (unsigned long long)result->posted,
                  (unsigned long long)result->requests, result->post_s);
    (void)fprintf(to, "  accepted %llu, duplicates %llu", (unsigned long long)result->accepted,
                  (unsigned long long)result->duplicates);
    if (result->has_audit)
        (void)fprintf(to, ", tickets opened %llu, reopened %llu, folded into an open one %llu",
                      (unsigned long long)result->opened, (unsigned long long)result->reopened,
                      (unsigned long long)result->folded);
    (void)fprintf(to, ", refused %llu, without answer %llu\n", (unsigned long long)surge_tally_sum(&result->refused),
                  (unsigned long long)surge_tally_sum(&result->failed));
    if (result->repeats > 0 || result->connection_losses > 0 || result->connection_goodbyes > 0)
        (void)fprintf(to, "  connections lost %llu, ended by the server %llu, posted again %llu, of them stored already %llu\n",
                      (unsigned long long)result->connection_losses, (unsigned long long)result->connection_goodbyes,
                      (unsigned long long)result->repeats, (unsigned long long)result->recovered);
    if (result->differing > 0)
        (void)fprintf(to, "  duplicates with another body %llu\n", (unsigned long long)result->differing);
    print_tally(to, "refused", &result->refused);
    print_tally(to, "without answer", &result->failed);
    (void)fprintf(to, "  rate %.0f/s\n", per_second(receipts, result->post_s));
    print_latency(to, "latency", &result->latency);
}

static void
print_desk(const struct surge_report *report, FILE *to)
{
    const struct surge_result *result = report->result;
    char                       name[32];

    if (!result->has_desk)
        return;
    (void)fprintf(to,
                  "agents: %u, %llu pulls (%llu empty), %llu leases, %llu tickets completed with %llu messages shown, %.0f/s\n",
                  report->options->agents, (unsigned long long)result->pulls, (unsigned long long)result->empty_pulls,
                  (unsigned long long)result->leases, (unsigned long long)result->completed, (unsigned long long)result->shown,
                  per_second(result->completed, result->total_s));
    if (result->overtaken + result->lost + result->repeated + result->unknown > 0)
        (void)fprintf(to, "  overtaken by new messages %llu, leases lost %llu, completed before %llu, outcome unknown %llu\n",
                      (unsigned long long)result->overtaken, (unsigned long long)result->lost,
                      (unsigned long long)result->repeated, (unsigned long long)result->unknown);
    print_tally(to, "refused", &result->desk_refused);
    print_tally(to, "without answer", &result->desk_failed);
    print_latency(to, "pull (with leases)", &result->pull_wait);
    print_latency(to, "complete", &result->complete);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        (void)snprintf(name, sizeof(name), "waited, %s", aw_class_name((enum aw_class)i));
        print_latency(to, name, &result->waited[i]);
    }
}

static void
print_audit(const struct surge_report *report, FILE *to)
{
    const struct surge_result *result = report->result;

    if (!result->has_audit)
        return;
    (void)fprintf(to, "audit: %llu messages acknowledged, %llu in a completed lease, %llu of an earlier run, %llu open",
                  (unsigned long long)result->acknowledged, (unsigned long long)result->answered,
                  (unsigned long long)result->earlier, (unsigned long long)result->open_messages);
    if (result->open_messages > 0)
        (void)fprintf(to,
                      "; looked up %llu of them in %.2f s: waiting %llu, closed (answered earlier, or our completion went "
                      "unanswered) %llu, not verified %llu",
                      (unsigned long long)result->looked_up, result->verify_s, (unsigned long long)result->waiting,
                      (unsigned long long)result->closed, (unsigned long long)result->unverified);
    (void)fputc('\n', to);
    for (unsigned i = 0; i < SURGE_BREACH_COUNT; i++) {
        if (result->breaches[i] > 0)
            (void)fprintf(to, "  BREACH %s: %llu, such as %s\n", surge_breach_name((enum surge_breach)i),
                          (unsigned long long)result->breaches[i], result->examples[i]);
    }
    if (result->stalled)
        (void)fprintf(to, "  draining stopped: nothing moved any more\n");
    (void)fprintf(to, "  %s\n", report->audits_passed ? "passed" : "FAILED");
}

static void
print_rounds(const struct surge_report *report, FILE *to)
{
    double ratios[SURGE_ROUNDS_MAX];

    if (report->rounds == 1 && !report->has_baseline)
        return;
    (void)fprintf(to, "rounds:");
    for (uint32_t i = 0; i < report->rounds; i++) {
        (void)fprintf(to, "  %.0f/s", report->rates[i]);
        if (report->has_baseline)
            (void)fprintf(to, " (baseline %.0f/s)", report->baseline[i]);
    }
    (void)fprintf(to, "\n  median %.0f/s", surge_median(report->rates, report->rounds));
    if (report->has_baseline) {
        ratios_of(report, ratios);
        (void)fprintf(to, ", baseline %.0f/s, ratio %.3f (%.3f to %.3f)", surge_median(report->baseline, report->rounds),
                      surge_median(ratios, report->rounds), least(ratios, report->rounds), largest(ratios, report->rounds));
    }
    (void)fputc('\n', to);
}

void
surge_report_text(const struct surge_report *report, FILE *to)
{
    static const char *const formats[] = {"JSON", "MessagePack", "NDJSON", "MessagePack sequence"};

    (void)fprintf(to, "surge %s %s://%s, run %s: %u connections x %u streams, batches of %u, %s\n",
                  surge_mode_names[report->options->mode], report->options->url.tls ? "https" : "http",
                  report->options->url.authority, report->run, report->options->connections, report->options->streams,
                  report->options->batch, formats[report->options->media]);
    if (report->result->broken)
        (void)fprintf(to, "BROKE OFF: %s\n", report->result->why);
    if (report->result->work != NULL && !report->result->broken)
        surge_work_text(report->result->work, report->options, to);
    if (report->result->park != NULL) {
        surge_park_text(report->result->park, to);
        return;
    }
    print_posts(report, to);
    print_desk(report, to);
    print_rounds(report, to);
    print_audit(report, to);
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------- */

static void
json_tally(struct aw_json *json, const char *key, const struct surge_tally *tally)
{
    aw_json_key(json, key);
    aw_json_object_begin(json);
    for (uint32_t i = 0; i < tally->count; i++)
        surge_json_u64(json, tally->rows[i].name, tally->rows[i].times);
    aw_json_object_end(json);
}

static void
json_posts(struct aw_json *json, const struct surge_result *result)
{
    aw_json_key(json, "posts");
    aw_json_object_begin(json);
    surge_json_u64(json, "posted", result->posted);
    surge_json_u64(json, "requests", result->requests);
    surge_json_u64(json, "accepted", result->accepted);
    surge_json_u64(json, "duplicates", result->duplicates);
    surge_json_u64(json, "duplicates_differing", result->differing);
    surge_json_u64(json, "folded", result->folded);
    surge_json_u64(json, "tickets_opened", result->opened);
    surge_json_u64(json, "tickets_reopened", result->reopened);
    surge_json_u64(json, "connections_lost", result->connection_losses);
    surge_json_u64(json, "connections_ended_by_server", result->connection_goodbyes);
    surge_json_u64(json, "posted_again", result->repeats);
    surge_json_u64(json, "stored_already", result->recovered);
    json_tally(json, "refused", &result->refused);
    json_tally(json, "without_answer", &result->failed);
    surge_json_real(json, "seconds", result->post_s);
    surge_json_real(json, "per_second", per_second(result->accepted + result->duplicates + result->recovered, result->post_s));
    surge_json_latency(json, "latency_ms", &result->latency);
    aw_json_object_end(json);
}

static void
json_desk(struct aw_json *json, const struct surge_report *report)
{
    const struct surge_result *result = report->result;

    aw_json_key(json, "agents");
    aw_json_object_begin(json);
    surge_json_u64(json, "agents", report->options->agents);
    surge_json_u64(json, "pulls", result->pulls);
    surge_json_u64(json, "empty_pulls", result->empty_pulls);
    surge_json_u64(json, "leases", result->leases);
    surge_json_u64(json, "messages_shown", result->shown);
    surge_json_u64(json, "completed", result->completed);
    surge_json_u64(json, "completed_before", result->repeated);
    surge_json_u64(json, "overtaken", result->overtaken);
    surge_json_u64(json, "leases_lost", result->lost);
    surge_json_u64(json, "outcome_unknown", result->unknown);
    json_tally(json, "refused", &result->desk_refused);
    json_tally(json, "without_answer", &result->desk_failed);
    surge_json_real(json, "seconds", result->total_s);
    surge_json_real(json, "completed_per_second", per_second(result->completed, result->total_s));
    surge_json_latency(json, "pull_ms", &result->pull_wait);
    surge_json_latency(json, "complete_ms", &result->complete);
    aw_json_key(json, "waited_ms");
    aw_json_object_begin(json);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        surge_json_latency(json, aw_class_name((enum aw_class)i), &result->waited[i]);
    aw_json_object_end(json);
    aw_json_object_end(json);
}

static void
json_audit(struct aw_json *json, const struct surge_report *report)
{
    const struct surge_result *result = report->result;

    aw_json_key(json, "audit");
    aw_json_object_begin(json);
    aw_json_key(json, "passed");
    aw_json_bool(json, report->audits_passed);
    surge_json_u64(json, "acknowledged", result->acknowledged);
    surge_json_u64(json, "in_a_completed_lease", result->answered);
    surge_json_u64(json, "of_an_earlier_run", result->earlier);
    surge_json_u64(json, "open", result->open_messages);
    surge_json_u64(json, "looked_up", result->looked_up);
    surge_json_u64(json, "waiting", result->waiting);
    surge_json_u64(json, "closed", result->closed);
    surge_json_u64(json, "not_verified", result->unverified);
    surge_json_real(json, "verify_seconds", result->verify_s);
    aw_json_key(json, "stalled");
    aw_json_bool(json, result->stalled);
    aw_json_key(json, "breaches");
    aw_json_object_begin(json);
    for (unsigned i = 0; i < SURGE_BREACH_COUNT; i++)
        surge_json_u64(json, surge_breach_name((enum surge_breach)i), result->breaches[i]);
    aw_json_object_end(json);
    aw_json_key(json, "examples");
    aw_json_array_begin(json);
    for (unsigned i = 0; i < SURGE_BREACH_COUNT; i++) {
        if (result->breaches[i] > 0)
            aw_json_str(json, result->examples[i]);
    }
    aw_json_array_end(json);
    aw_json_object_end(json);
}

static void
json_rounds(struct aw_json *json, const struct surge_report *report)
{
    double ratios[SURGE_ROUNDS_MAX];

    aw_json_key(json, "rounds");
    aw_json_array_begin(json);
    ratios_of(report, ratios);
    for (uint32_t i = 0; i < report->rounds; i++) {
        aw_json_object_begin(json);
        surge_json_real(json, "per_second", report->rates[i]);
        if (report->has_baseline) {
            surge_json_real(json, "baseline_per_second", report->baseline[i]);
            surge_json_real(json, "ratio", ratios[i]);
        }
        aw_json_object_end(json);
    }
    aw_json_array_end(json);
    surge_json_real(json, "per_second", surge_median(report->rates, report->rounds));
    if (report->has_baseline) {
        surge_json_real(json, "baseline_per_second", surge_median(report->baseline, report->rounds));
        surge_json_real(json, "ratio", surge_median(ratios, report->rounds));
    }
}

bool
surge_report_json(const struct surge_report *report, FILE *to)
{
    char            *room = malloc(JSON_ROOM);
    struct aw_buffer buffer;
    struct aw_json   json;
    bool             ok;

    if (room == NULL)
        return false;
    aw_buffer_init_fixed(&buffer, room, JSON_ROOM);
    aw_json_init(&json, &buffer);
    aw_json_object_begin(&json);
    aw_json_key(&json, "mode");
    aw_json_str(&json, surge_mode_names[report->options->mode]);
    aw_json_key(&json, "run");
    aw_json_str(&json, report->run);
    aw_json_key(&json, "broken");
    if (report->result->broken)
        aw_json_str(&json, report->result->why);
    else
        aw_json_null(&json);
    surge_json_u64(&json, "connections", report->options->connections);
    surge_json_u64(&json, "streams", report->options->streams);
    surge_json_u64(&json, "batch", report->options->batch);
    if (report->result->park != NULL) {
        aw_json_key(&json, "park");
        surge_park_json(report->result->park, &json);
    } else {
        json_posts(&json, report->result);
    }
    if (report->result->has_desk)
        json_desk(&json, report);
    if (report->result->work != NULL && !report->result->broken) {
        aw_json_key(&json, "work");
        surge_work_json(report->result->work, &json);
    }
    if (report->result->has_audit && report->result->park == NULL)
        json_audit(&json, report);
    if (report->result->park == NULL)
        json_rounds(&json, report);
    aw_json_object_end(&json);
    aw_buffer_add_str(&buffer, "\n");
    ok = !buffer.failed && fwrite(buffer.ptr, 1, buffer.len, to) == buffer.len;
    free(room);
    return ok;
}
