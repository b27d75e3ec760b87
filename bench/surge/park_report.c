/* park_report.c - see park_report.h. */
#include "bench/surge/park_report.h"

#include "bench/surge/figures.h"

/* Bytes more than before, of each of `count`. */
static double
bytes_each(const struct surge_process *before, const struct surge_process *after, uint32_t count)
{
    return ((double)after->bytes - (double)before->bytes) / count;
}

/* Share of one processor, in per cent. */
static double
busy(const struct surge_process *from, const struct surge_process *to, double seconds)
{
    return seconds > 0 ? 100 * (to->cpu_s - from->cpu_s) / seconds : 0;
}

static bool
passed(const struct surge_park *park)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SURGE_PARK_BREACHES; i++)
        sum += park->breaches[i];
    return sum == 0;
}

/* --- text ------------------------------------------------------------------------------------------------------------------- */

static void
print_latency(const char *name, const struct aw_histogram *histogram, FILE *to)
{
    struct aw_histogram_view view = {.count = 0};

    aw_histogram_collect(histogram, &view);
    if (view.count > 0)
        (void)fprintf(to, "  %-16s p50 %.3f  p99 %.3f  max %.3f ms  (%llu)\n", name, surge_ms_of(&view, 500000),
                      surge_ms_of(&view, 990000), (double)view.max / 1e6, (unsigned long long)view.count);
}

void
surge_park_text(const struct surge_park *park, FILE *to)
{
    (void)fprintf(to, "%u pulls parked on %u connections in %.1f s; %llu of them sent again when their time was over\n",
                  park->pulls, park->connections, park->parking_s, (unsigned long long)park->renewed);
    if (park->has_process)
        (void)fprintf(to, "  memory of the server: %.0f bytes a connection, %.0f a pull (%.0f with its share of a connection)\n",
                      bytes_each(&park->before, &park->connected, park->connections),
                      bytes_each(&park->connected, &park->parked, park->pulls),
                      bytes_each(&park->before, &park->parked, park->pulls));
    (void)fprintf(to, "nothing for %.1f s: %llu commits", park->idle_s, (unsigned long long)park->idle_commits);
    if (park->has_process)
        (void)fprintf(to, ", %.2f %% of a processor", busy(&park->parked, &park->idle, park->idle_s));
    (void)fprintf(to, "\nposts: %llu in %.1f s, %llu acknowledged, %llu pulls woken by one each, %llu in vain",
                  (unsigned long long)park->posts, park->posting_s, (unsigned long long)park->acknowledged,
                  (unsigned long long)park->woken, (unsigned long long)park->woken_in_vain);
    if (park->has_process)
        (void)fprintf(to, "; %.2f %% of a processor", busy(&park->idle, &park->posted, park->posting_s));
    (void)fputc('\n', to);
    print_latency("due to lease", &park->wake, to);
    print_latency("due to receipt", &park->receipt, to);
    if (park->drained)
        (void)fprintf(to, "drain: %llu pulls ended within %.3f s\n", (unsigned long long)park->drain_ended, park->drain_s);
    for (uint32_t i = 0; i < park->drain_other.count; i++)
        (void)fprintf(to, "  otherwise than with 204: %s %llu\n", park->drain_other.rows[i].name,
                      (unsigned long long)park->drain_other.rows[i].times);
    for (unsigned i = 0; i < SURGE_PARK_BREACHES; i++) {
        if (park->breaches[i] > 0)
            (void)fprintf(to, "  BREACH %s: %llu\n", surge_park_breach_name((enum surge_park_breach)i),
                          (unsigned long long)park->breaches[i]);
    }
    (void)fprintf(to, "  %s\n", passed(park) ? "passed" : "FAILED");
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------- */

static void
json_latency(struct aw_json *json, const char *key, const struct aw_histogram *histogram)
{
    struct aw_histogram_view view = {.count = 0};

    aw_histogram_collect(histogram, &view);
    surge_json_latency(json, key, &view);
}

static void
json_process(struct aw_json *json, const struct surge_park *park)
{
    surge_json_real(json, "bytes_a_connection", bytes_each(&park->before, &park->connected, park->connections));
    surge_json_real(json, "bytes_a_pull", bytes_each(&park->connected, &park->parked, park->pulls));
    surge_json_real(json, "bytes_together", bytes_each(&park->before, &park->parked, park->pulls));
    surge_json_real(json, "idle_cpu_percent", busy(&park->parked, &park->idle, park->idle_s));
    surge_json_real(json, "posting_cpu_percent", busy(&park->idle, &park->posted, park->posting_s));
}

void
surge_park_json(const struct surge_park *park, struct aw_json *json)
{
    aw_json_object_begin(json);
    surge_json_u64(json, "pulls", park->pulls);
    surge_json_u64(json, "connections", park->connections);
    surge_json_real(json, "parking_s", park->parking_s);
    surge_json_u64(json, "renewed", park->renewed);
    if (park->has_process)
        json_process(json, park);
    surge_json_real(json, "idle_s", park->idle_s);
    surge_json_u64(json, "idle_commits", park->idle_commits);
    surge_json_u64(json, "posts", park->posts);
    surge_json_u64(json, "acknowledged", park->acknowledged);
    surge_json_u64(json, "woken", park->woken);
    surge_json_u64(json, "woken_in_vain", park->woken_in_vain);
    json_latency(json, "wake_ms", &park->wake);
    json_latency(json, "receipt_ms", &park->receipt);
    if (park->drained) {
        surge_json_u64(json, "drain_ended", park->drain_ended);
        surge_json_real(json, "drain_s", park->drain_s);
    }
    aw_json_key(json, "breaches");
    aw_json_object_begin(json);
    for (unsigned i = 0; i < SURGE_PARK_BREACHES; i++)
        surge_json_u64(json, surge_park_breach_name((enum surge_park_breach)i), park->breaches[i]);
    aw_json_object_end(json);
    aw_json_key(json, "passed");
    aw_json_bool(json, passed(park));
    aw_json_object_end(json);
}
