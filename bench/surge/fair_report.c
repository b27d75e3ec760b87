/* fair_report.c - what fair.c measured, in words and as JSON. */
#include "bench/surge/fair.h"
#include "bench/surge/figures.h"
#include "bench/surge/report.h"

#include <stdlib.h>

#define JSON_ROOM (64U * 1024U)

static const char *const kind_names[SURGE_FAIR_KINDS] = {"poster alone", "beside the flood, on the same server",
                                                         "beside the flood, on another server", "both on a server with a limit",
                                                         "the flood alone"};
static const char *const kind_keys[SURGE_FAIR_KINDS] = {"alone", "beside", "elsewhere", "limited", "flood_alone"};

/* What is told of a kind of spell: medians over the rounds. */
struct summary {
    double p50_ms, p99_ms, posts, flood_per_second, refused_per_second;
};

/* Over the rounds, each on its own, as neighbours in time share the machine's mood. */
struct ratio {
    double median, least, most;
};

static bool
was_measured(const struct surge_fair *fair, enum surge_fair_kind kind)
{
    return (kind != SURGE_FAIR_ELSEWHERE || fair->has_elsewhere) && (kind != SURGE_FAIR_LIMITED || fair->has_limited);
}

static struct summary
sum_up(const struct surge_fair *fair, const struct surge_fair_size *size, enum surge_fair_kind kind)
{
    double values[5][SURGE_FAIR_ROUNDS_MAX];

    for (uint32_t i = 0; i < fair->rounds; i++) {
        values[0][i] = size->spells[kind][i].p50_ms;
        values[1][i] = size->spells[kind][i].p99_ms;
        values[2][i] = size->spells[kind][i].flood_per_second;
        values[3][i] = size->spells[kind][i].refused_per_second;
        values[4][i] = (double)size->spells[kind][i].posts;
    }
    return (struct summary){.p50_ms = surge_median(values[0], fair->rounds),
                            .p99_ms = surge_median(values[1], fair->rounds),
                            .posts = surge_median(values[4], fair->rounds),
                            .flood_per_second = surge_median(values[2], fair->rounds),
                            .refused_per_second = surge_median(values[3], fair->rounds)};
}

static struct ratio
ratio_of(const struct surge_fair *fair, const struct surge_fair_size *size, enum surge_fair_kind above,
         enum surge_fair_kind below, bool is_p99)
{
    double       ratios[SURGE_FAIR_ROUNDS_MAX];
    struct ratio ratio = {.median = 0};

    for (uint32_t i = 0; i < fair->rounds; i++) {
        const struct surge_fair_spell *over = &size->spells[above][i];
        const struct surge_fair_spell *under = &size->spells[below][i];
        double                         to = is_p99 ? under->p99_ms : under->p50_ms;

        ratios[i] = to > 0 ? (is_p99 ? over->p99_ms : over->p50_ms) / to : 0;
        if (i == 0 || ratios[i] < ratio.least)
            ratio.least = ratios[i];
        if (i == 0 || ratios[i] > ratio.most)
            ratio.most = ratios[i];
    }
    ratio.median = surge_median(ratios, fair->rounds);
    return ratio;
}

static void
print_ratio(const char *before, const struct surge_fair *fair, const struct surge_fair_size *size, enum surge_fair_kind above,
            enum surge_fair_kind below, FILE *to)
{
    struct ratio half = ratio_of(fair, size, above, below, false);
    struct ratio most = ratio_of(fair, size, above, below, true);

    (void)fprintf(to, "%s x%.2f (%.2f to %.2f; p99 x%.2f)", before, half.median, half.least, half.most, most.median);
}

static void
print_kind(const struct surge_fair *fair, const struct surge_fair_size *size, enum surge_fair_kind kind, FILE *to)
{
    struct summary summary = sum_up(fair, size, kind);

    (void)fprintf(to, "  %-36s p50 %7.3f ms  p99 %7.3f ms", kind_names[kind], summary.p50_ms, summary.p99_ms);
    if (kind != SURGE_FAIR_ALONE)
        (void)fprintf(to, "  beside %.0f messages/s", summary.flood_per_second);
    if (summary.refused_per_second > 0)
        (void)fprintf(to, ", %.0f refused", summary.refused_per_second);
    if (kind != SURGE_FAIR_ALONE)
        print_ratio("; to alone", fair, size, kind, SURGE_FAIR_ALONE, to);
    if (fair->has_elsewhere && (kind == SURGE_FAIR_BESIDE || kind == SURGE_FAIR_LIMITED))
        print_ratio(", to beside it elsewhere", fair, size, kind, SURGE_FAIR_ELSEWHERE, to);
    (void)fputc('\n', to);
}

static void
print_size(const struct surge_fair *fair, const struct surge_fair_size *size, FILE *to)
{
    static const enum surge_fair_kind order[] = {SURGE_FAIR_ALONE, SURGE_FAIR_ELSEWHERE, SURGE_FAIR_BESIDE, SURGE_FAIR_LIMITED};
    struct summary                    beside = sum_up(fair, size, SURGE_FAIR_BESIDE);
    struct summary                    flood = sum_up(fair, size, SURGE_FAIR_FLOOD);

    (void)fprintf(to, "A flood of %u messages a request, %u connections x %u streams; medians of %u rounds (and their range)\n",
                  size->batch, size->connections, size->streams, fair->rounds);
    for (unsigned i = 0; i < AW_ARRAY_LEN(order); i++) {
        if (was_measured(fair, order[i]))
            print_kind(fair, size, order[i], to);
    }
    (void)fprintf(to, "  the flood: %.0f messages/s alone, x%.2f of it beside the poster\n", flood.flood_per_second,
                  flood.flood_per_second > 0 ? beside.flood_per_second / flood.flood_per_second : 0);
}

void
surge_fair_text(const struct surge_fair *fair, FILE *to)
{
    for (uint32_t i = 0; i < fair->size_count; i++)
        print_size(fair, &fair->sizes[i], to);
}

static void
json_ratio(const char *key, const struct surge_fair *fair, const struct surge_fair_size *size, enum surge_fair_kind above,
           enum surge_fair_kind below, struct aw_json *json)
{
    struct ratio ratio = ratio_of(fair, size, above, below, false);

    aw_json_key(json, key);
    aw_json_object_begin(json);
    surge_json_real(json, "median", ratio.median);
    surge_json_real(json, "least", ratio.least);
    surge_json_real(json, "most", ratio.most);
    surge_json_real(json, "p99", ratio_of(fair, size, above, below, true).median);
    aw_json_object_end(json);
}

static void
json_size(const struct surge_fair *fair, const struct surge_fair_size *size, struct aw_json *json)
{
    aw_json_object_begin(json);
    surge_json_u64(json, "batch", size->batch);
    surge_json_u64(json, "connections", size->connections);
    surge_json_u64(json, "streams", size->streams);
    for (enum surge_fair_kind kind = 0; kind < SURGE_FAIR_KINDS; kind++) {
        struct summary summary = sum_up(fair, size, kind);

        if (!was_measured(fair, kind))
            continue;
        aw_json_key(json, kind_keys[kind]);
        aw_json_object_begin(json);
        if (kind != SURGE_FAIR_FLOOD) {
            surge_json_real(json, "p50_ms", summary.p50_ms);
            surge_json_real(json, "p99_ms", summary.p99_ms);
            surge_json_real(json, "posts", summary.posts);
        }
        surge_json_real(json, "flood_per_second", summary.flood_per_second);
        surge_json_real(json, "refused_per_second", summary.refused_per_second);
        if (kind != SURGE_FAIR_FLOOD && kind != SURGE_FAIR_ALONE)
            json_ratio("to_alone", fair, size, kind, SURGE_FAIR_ALONE, json);
        if (fair->has_elsewhere && (kind == SURGE_FAIR_BESIDE || kind == SURGE_FAIR_LIMITED))
            json_ratio("to_elsewhere", fair, size, kind, SURGE_FAIR_ELSEWHERE, json);
        aw_json_object_end(json);
    }
    aw_json_object_end(json);
}

bool
surge_fair_json(const struct surge_fair *fair, FILE *to)
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
    aw_json_str(&json, "fair");
    surge_json_u64(&json, "rounds", fair->rounds);
    aw_json_key(&json, "sizes");
    aw_json_array_begin(&json);
    for (uint32_t i = 0; i < fair->size_count; i++)
        json_size(fair, &fair->sizes[i], &json);
    aw_json_array_end(&json);
    aw_json_object_end(&json);
    aw_buffer_add_str(&buffer, "\n");
    ok = !buffer.failed && fwrite(buffer.ptr, 1, buffer.len, to) == buffer.len;
    free(room);
    return ok;
}
