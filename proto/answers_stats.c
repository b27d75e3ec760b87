/* answers_stats.c - numbers: the state of the desk, the day, how long answers take. */
#include "proto/parts.h"

#define KEY AW_WRITER_KEY

static void
write_class_stats(struct aw_writer *writer, const struct aw_class_stats *stats, aw_ms as_of)
{
    aw_writer_begin_map(writer);
    KEY(writer, "waiting");
    aw_writer_u64(writer, stats->waiting);
    KEY(writer, "leased");
    aw_writer_u64(writer, stats->leased);
    KEY(writer, "held");
    aw_writer_u64(writer, stats->held);
    KEY(writer, "target_s");
    aw_writer_u64(writer, stats->target_ms / 1000);
    KEY(writer, "oldest_s");
    if (stats->oldest == 0)
        aw_writer_null(writer);
    else
        aw_writer_u64(writer, as_of > stats->oldest ? (as_of - stats->oldest) / 1000 : 0);
    KEY(writer, "kappa");
    aw_writer_real(writer, (double)stats->kappa_permille / 1000.0);
    aw_writer_end_map(writer);
}

/* `part` to one of `whole`; null without any. */
static void
write_ratio(struct aw_writer *writer, uint64_t part, uint64_t whole)
{
    if (whole == 0)
        aw_writer_null(writer);
    else
        aw_writer_real(writer, (double)part / (double)whole);
}

static void
write_day_fields(struct aw_writer *writer, const struct aw_day *day)
{
    char date[11];

    aw_date_format(day->day, date);
    KEY(writer, "date");
    aw_part_string(writer, date);
    KEY(writer, "taken");
    aw_writer_u64(writer, day->taken);
    KEY(writer, "completed");
    aw_writer_u64(writer, day->completed);
    KEY(writer, "replied");
    aw_writer_u64(writer, day->replied);
    KEY(writer, "returned");
    aw_writer_u64(writer, day->returned);
    KEY(writer, "deferred");
    aw_writer_u64(writer, day->deferred);
}

static void
write_team(struct aw_writer *writer, const struct aw_day *day, uint64_t goal)
{
    aw_writer_begin_map(writer);
    write_day_fields(writer, day);
    KEY(writer, "goal");
    if (goal == 0)
        aw_writer_null(writer);
    else
        aw_writer_u64(writer, goal);
    aw_writer_end_map(writer);
}

static void
write_stats_more(struct aw_writer *writer, const struct aw_stats_answer *stats)
{
    KEY(writer, "replies");
    aw_writer_u64(writer, stats->replied);
    KEY(writer, "promises");
    aw_writer_begin_map(writer);
    KEY(writer, "kept");
    aw_writer_u64(writer, stats->promises_kept);
    KEY(writer, "broken");
    aw_writer_u64(writer, stats->promises_broken);
    KEY(writer, "moved");
    aw_writer_u64(writer, stats->promises_moved);
    aw_writer_end_map(writer);
    KEY(writer, "presence");
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_PRESENCE_COUNT; i++) {
        aw_writer_key(writer, aw_slice_str(aw_presence_name((enum aw_presence)i)));
        aw_writer_u64(writer, stats->by_presence[i]);
    }
    aw_writer_end_map(writer);
    KEY(writer, "surge_since");
    aw_writer_time(writer, stats->surge_since);
    KEY(writer, "team");
    write_team(writer, &stats->team, stats->team_goal);
}

static void
write_lane_time(struct aw_writer *writer, const struct aw_lane_time *lane)
{
    aw_writer_begin_map(writer);
    KEY(writer, "lane");
    aw_writer_str(writer, lane->lane);
    KEY(writer, "classes");
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        const struct aw_class_time *time = &lane->classes[i];

        aw_writer_key(writer, aw_slice_str(aw_class_name((enum aw_class)i)));
        if (time->half_s == 0) {
            aw_writer_null(writer);
            continue;
        }
        aw_writer_begin_map(writer);
        KEY(writer, "half_s");
        aw_writer_u64(writer, time->half_s);
        KEY(writer, "nine_of_ten_s");
        aw_writer_u64(writer, time->nine_of_ten_s);
        aw_writer_end_map(writer);
    }
    aw_writer_end_map(writer);
    KEY(writer, "sentences");
    aw_writer_begin_map(writer);
    for (uint32_t i = 0; i < lane->sentence_count; i++) {
        aw_writer_key(writer, lane->sentences[i].lang);
        aw_writer_str(writer, lane->sentences[i].text);
    }
    aw_writer_end_map(writer);
    aw_writer_end_map(writer);
}

void
aw_proto_write_response_time(struct aw_writer *writer, const struct aw_response_time_answer *answer)
{
    aw_writer_begin_map(writer);
    KEY(writer, "as_of");
    if (answer->as_of == 0)
        aw_writer_null(writer);
    else
        aw_writer_time(writer, answer->as_of);
    KEY(writer, "class");
    aw_part_string(writer, aw_class_name(answer->class_));
    KEY(writer, "items");
    aw_writer_begin_array(writer, answer->lane_count);
    for (uint32_t i = 0; i < answer->lane_count; i++)
        write_lane_time(writer, &answer->lanes[i]);
    aw_writer_end_array(writer);
    KEY(writer, "next");
    if (answer->next.len == 0)
        aw_writer_null(writer);
    else
        aw_writer_str(writer, answer->next);
    aw_writer_end_map(writer);
}

void
aw_proto_write_stats(struct aw_writer *writer, const struct aw_stats_answer *stats)
{
    const struct {
        struct aw_slice name;
        uint64_t        count;
    } counts[] = {
        {AW_SLICE("leases"), stats->leases},
        {AW_SLICE("lanes"), stats->lanes},
        {AW_SLICE("agents"), stats->agents},
        {AW_SLICE("parked_pulls"), stats->parked_pulls},
        {AW_SLICE("messages"), stats->messages},
        {AW_SLICE("opened"), stats->opened},
        {AW_SLICE("folded"), stats->folded},
        {AW_SLICE("reopened"), stats->reopened},
        {AW_SLICE("closed"), stats->closed},
        {AW_SLICE("completed"), stats->completed},
        {AW_SLICE("cancelled"), stats->cancelled},
        {AW_SLICE("expired"), stats->expired},
        {AW_SLICE("released"), stats->released},
        {AW_SLICE("declined"), stats->declined},
        {AW_SLICE("deferred"), stats->deferred},
        {AW_SLICE("commitments"), stats->commitments},
        {AW_SLICE("commitments_overdue"), stats->commitments_overdue},
        {AW_SLICE("commitments_kept"), stats->commitments_kept},
        {AW_SLICE("commitments_broken"), stats->commitments_broken},
    };

    aw_writer_begin_map(writer);
    KEY(writer, "as_of");
    aw_writer_time(writer, stats->as_of);
    KEY(writer, "role");
    aw_part_string(writer, stats->role);
    KEY(writer, "order");
    aw_part_string(writer, stats->order);
    KEY(writer, "classes");
    aw_writer_begin_map(writer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        aw_writer_key(writer, aw_slice_str(aw_class_name((enum aw_class)i)));
        write_class_stats(writer, &stats->classes[i], stats->as_of);
    }
    aw_writer_end_map(writer);
    for (size_t i = 0; i < AW_ARRAY_LEN(counts); i++) {
        aw_writer_key(writer, counts[i].name);
        aw_writer_u64(writer, counts[i].count);
    }
    KEY(writer, "messages_per_ticket");
    write_ratio(writer, stats->messages, stats->opened);
    KEY(writer, "channels_per_ticket");
    write_ratio(writer, stats->ticket_channels, stats->opened);
    KEY(writer, "recontact_rate");
    write_ratio(writer, stats->reopened, stats->closed);
    write_stats_more(writer, stats);
    aw_writer_end_map(writer);
}

void
aw_proto_write_day(struct aw_writer *writer, const struct aw_day_answer *day)
{
    aw_writer_begin_map(writer);
    KEY(writer, "agent");
    aw_writer_str(writer, day->agent);
    write_day_fields(writer, &day->own);
    KEY(writer, "team");
    write_team(writer, &day->team, day->team_goal);
    aw_writer_end_map(writer);
}
