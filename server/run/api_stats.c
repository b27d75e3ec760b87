/* api_stats.c - the desk at one moment, for those who steer it (/metrics has more, for machines that keep it); and an agent's own
 * day. */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/oldest.h"
#include "run/query.h"

#include <string.h>

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

struct stats {
    struct aw_call         call;
    enum aw_media          media;
    struct aw_submission   submission;
    struct aw_query        query;
    struct aw_state_counts counts;
};

static void
fill_classes(const struct aw_io *io, const struct aw_state_counts *counts, struct aw_stats_answer *answer)
{
    const struct aw_order_settings *order = aw_surge_copy_order(io, NULL, 0);
    struct aw_oldest                oldest[AW_CLASS_COUNT];

    aw_oldest_find(io->shared->lanes, io->shared->directory, order, answer->as_of, oldest);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++)
        answer->classes[i] = (struct aw_class_stats){.waiting = counts->tickets[AW_TICKET_WAITING][i],
                                                     .leased = counts->tickets[AW_TICKET_LEASED][i],
                                                     .held = counts->tickets[AW_TICKET_HELD][i],
                                                     .target_ms = order->target_ms[i],
                                                     .oldest = oldest[i].age,
                                                     .kappa_permille = oldest[i].kappa_permille};
}

static void
on_counted(struct aw_call *call)
{
    struct stats                 *stats = (struct stats *)call;
    const struct aw_io           *io = call->io;
    const struct aw_state_counts *counts = &stats->counts;
    struct aw_stats_answer        answer = {.as_of = stats->query.now,
                                            .role = aw_role_name((enum aw_role)aw_metric_sum(io->shared->metrics, AW_METRIC_ROLE)),
                                            .order = aw_order_name(aw_surge_copy_order(io, NULL, 0)->order),
                                            .leases = counts->leases,
                                            .lanes = counts->lanes,
                                            .agents = counts->agents,
                                            .parked_pulls = aw_metric_sum(io->shared->metrics, AW_METRIC_PARKED),
                                            .messages = counts->messages,
                                            .opened = counts->opened,
                                            .folded = counts->folded,
                                            .reopened = counts->reopened,
                                            .closed = counts->closed - counts->closes_refused,
                                            .completed = counts->completed,
                                            .cancelled = counts->cancelled,
                                            .expired = counts->expired,
                                            .released = counts->released,
                                            .declined = counts->declined,
                                            .deferred = counts->deferred,
                                            .commitments_kept = counts->commitments_kept,
                                            .commitments_broken = counts->commitments_broken,
                                            .commitments = counts->commitments,
                                            .commitments_overdue = counts->commitments_overdue,
                                            .ticket_channels = counts->ticket_channels,
                                            .replied = counts->replied,
                                            .promises_moved = counts->promises_moved,
                                            .surge_since = io->surge.view.now.since,
                                            .team_goal = io->shared->settings->team_goal_completed};
    struct aw_buffer              buffer;
    struct aw_writer              writer;

    if (stats->submission.err != AW_OK) {
        aw_call_fail(call, stats->submission.err, "");
        return;
    }
    fill_classes(io, counts, &answer);
    for (unsigned i = 0; i < AW_CLASS_COUNT; i++) {
        answer.promises_kept += counts->promises_kept[i];
        answer.promises_broken += counts->promises_broken[i];
    }
    answer.team =
        counts->day.day == answer.as_of / DAY_MS ? counts->day : (struct aw_day){.day = (uint32_t)(answer.as_of / DAY_MS)};
    memcpy(answer.by_presence, counts->by_presence, sizeof(answer.by_presence));
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, stats->media);
    aw_proto_write_stats(&writer, &answer);
    aw_call_answer(call, 200, stats->media, &buffer, NULL, 0);
}

static const struct aw_call_ops stats_ops = {.on_back = on_counted};

void
aw_api_stats(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct stats *stats = aw_call_new(io, request, &stats_ops, sizeof(*stats));

    (void)id;
    if (stats == NULL || !aw_call_negotiate(&stats->call, false, &stats->media))
        return;
    stats->query = (struct aw_query){.kind = AW_QUERY_COUNTS, .counts = &stats->counts};
    stats->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &stats->query};
    aw_call_submit(&stats->call, &stats->submission);
}

/* --- an agent's own day ------------------------------------------------------------------------------------------------------ */

struct day {
    struct aw_call       call;
    enum aw_media        media;
    struct aw_submission submission;
    struct aw_query      query;
    struct aw_slice      agent;
    struct aw_days       days;
};

static void
on_day(struct aw_call *call)
{
    struct day          *day = (struct day *)call;
    struct aw_day_answer answer = {.agent = day->agent,
                                   .own = day->days.own,
                                   .team = day->days.team,
                                   .team_goal = call->io->shared->settings->team_goal_completed};
    struct aw_buffer     buffer;
    struct aw_writer     writer;

    if (day->submission.err != AW_OK || day->query.err != AW_OK) {
        aw_call_fail(call, day->submission.err != AW_OK ? day->submission.err : day->query.err,
                     "no agent by that name was ever seen");
        return;
    }
    aw_buffer_init(&buffer, aw_call_arena(call));
    aw_writer_init(&writer, &buffer, day->media);
    aw_proto_write_day(&writer, &answer);
    aw_call_answer(call, 200, day->media, &buffer, NULL, 0);
}

static const struct aw_call_ops day_ops = {.on_back = on_day};

/* One's own is nobody else's: what others do is told of all together. */
void
aw_api_agent_day(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct day     *day = aw_call_new(io, request, &day_ops, sizeof(*day));
    struct aw_slice name;

    if (day == NULL || !aw_api_agent(&day->call, &day->agent) || !aw_call_negotiate(&day->call, false, &day->media))
        return;
    if (!aw_percent_decode(&request->arena, id, &name)) {
        aw_call_fail(&day->call, AW_E_MEMORY, "");
        return;
    }
    if (!aw_slice_eq(name, day->agent)) {
        aw_call_fail(&day->call, AW_E_FORBIDDEN, "a day is told to its own agent only");
        return;
    }
    day->query = (struct aw_query){.kind = AW_QUERY_DAY, .name = day->agent, .days = &day->days};
    day->submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = &day->query};
    aw_call_submit(&day->call, &day->submission);
}
