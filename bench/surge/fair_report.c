/* fair_report.c - what fair.c measured, in words and as JSON. */
#include "bench/surge/fair.h"
#include "bench/surge/figures.h"
#include "bench/surge/report.h"

#include <stdlib.h>

#define JSON_ROOM (64U * 1024U)

/* What is told of a kind of spell: medians over the rounds. */
struct summary {
    double p50_ms, p99_ms, flood_per_second;
};

static struct summary
sum_up(const struct surge_fair *fair, const struct surge_fair_size *size, enum surge_fair_kind kind)
{
    double values[3][SURGE_FAIR_ROUNDS_MAX];

    for (uint32_t i = 0; i < fair->rounds; i++) {
        values[0][i] = size->spells[kind][i].p50_ms;
        values[1][i] = size->spells[kind][i].p99_ms;
        values[2][i] = size->spells[kind][i].flood_per_second;
    }
    return (struct summary){.p50_ms = surge_median(values[0], fair->rounds),
                            .p99_ms = surge_median(values[1], fair->rounds),
                            .flood_per_second = surge_median(values[2], fair->rounds)};
}

/* Of each round on its own, as neighbours in time share the machine's mood. */
static double
ratio_of(const struct surge_fair *fair, const struct surge_fair_size *size, enum surge_fair_kind above,
         enum surge_fair_kind below)
{
    double ratios[SURGE_FAIR_ROUNDS_MAX];

    for (uint32_t i = 0; i < fair->rounds; i++) {
        double to = size->spells[below][i].p50_ms;

        ratios[i] = to > 0 ? size->spells[above][i].p50_ms / to : 0;
    }
    return surge_median(ratios, fair->rounds);
}

static void
print_poster(const char *name, const struct summary *summary, FILE *to)
{
    (void)fprintf(to, "  %-34s p50 %7.3f ms  p99 %7.3f ms", name, summary->p50_ms, summary->p99_ms);
    if (summary->flood_per_second > 0)
        (void)fprintf(to, "  beside %.0f messages/s", summary->flood_per_second);
    (void)fputc('\n', to);
}

static void
print_size(const struct surge_fair *fair, const struct surge_fair_size *size, FILE *to)
{
    struct summary alone = sum_up(fair, size, SURGE_FAIR_ALONE);
    struct summary beside = sum_up(fair, size, SURGE_FAIR_BESIDE);
    struct summary flood = sum_up(fair, size, SURGE_FAIR_FLOOD);

    (void)fprintf(to, "A flood of %u messages a request, %u connections x %u streams; medians of %u rounds\n", size->batch,
                  size->connections, size->streams, fair->rounds);
    print_poster("poster alone", &alone, to);
    if (fair->has_elsewhere) {
        struct summary elsewhere = sum_up(fair, size, SURGE_FAIR_ELSEWHERE);

        print_poster("beside the flood, on another server", &elsewhere, to);
    }
    print_poster("beside the flood, on the same server", &beside, to);
    (void)fprintf(to, "  half of the posts take x%.2f what they take alone",
                  ratio_of(fair, size, SURGE_FAIR_BESIDE, SURGE_FAIR_ALONE));
    if (fair->has_elsewhere)
        (void)fprintf(to, ", x%.2f what they take beside a flood elsewhere",
                      ratio_of(fair, size, SURGE_FAIR_BESIDE, SURGE_FAIR_ELSEWHERE));
    (void)fprintf(to, "\n  the flood: %.0f messages/s alone, x%.2f of it beside the poster\n", flood.flood_per_second,
                  flood.flood_per_second > 0 ? beside.flood_per_second / flood.flood_per_second : 0);
}

void
surge_fair_text(const struct surge_fair *fair, FILE *to)
{
    for (uint32_t i = 0; i < fair->size_count; i++)
        print_size(fair, &fair->sizes[i], to);
}

static void
json_size(const struct surge_fair *fair, const struct surge_fair_size *size, struct aw_json *json)
{
    static const char *const kinds[] = {"alone", "beside", "elsewhere", "flood_alone"};

    aw_json_object_begin(json);
    surge_json_u64(json, "batch", size->batch);
    surge_json_u64(json, "connections", size->connections);
    surge_json_u64(json, "streams", size->streams);
    for (unsigned kind = 0; kind < SURGE_FAIR_KINDS; kind++) {
        struct summary summary = sum_up(fair, size, (enum surge_fair_kind)kind);

        if (kind == SURGE_FAIR_ELSEWHERE && !fair->has_elsewhere)
            continue;
        aw_json_key(json, kinds[kind]);
        aw_json_object_begin(json);
        if (kind != SURGE_FAIR_FLOOD) {
            surge_json_real(json, "p50_ms", summary.p50_ms);
            surge_json_real(json, "p99_ms", summary.p99_ms);
        }
        surge_json_real(json, "flood_per_second", summary.flood_per_second);
        aw_json_object_end(json);
    }
    surge_json_real(json, "ratio_to_alone", ratio_of(fair, size, SURGE_FAIR_BESIDE, SURGE_FAIR_ALONE));
    if (fair->has_elsewhere)
        surge_json_real(json, "ratio_to_elsewhere", ratio_of(fair, size, SURGE_FAIR_BESIDE, SURGE_FAIR_ELSEWHERE));
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
