/* api_pull.c - an agent takes the most urgent tickets, or waits for one (pull.h).
 *
 *            +-------------------- nothing there ------------------+
 *            v                                                     |
 *   look -> take -> lease -> read -> answer      lease: the committer's word
 *    ^       |  \                                read: the messages
 *  woken <- park
 *            nothing, and time is up: 204
 *
 * A pull with an Idempotency-Key looks first whether leases run that were given to an earlier one with its key, and gets these. Two
 * at the same time: the committer gives leases to one of them alone, and the other looks again.
 */
#include "proto/proto.h"
#include "run/api.h"
#include "run/io.h"
#include "run/pull.h"

/* A long poll ends up to this part earlier, so that a thousand agents do not come back together. */
#define JITTER_PERCENT 10U

enum step { ASK, LEASE, PARK, READ, GIVE_BACK };

struct pull {
    struct aw_pull         base;
    enum step              step;
    enum aw_media          media;
    struct aw_pull_request want;
    bool                   time_is_up;
    enum aw_err            failure; /* why granted leases go back, for the answer */
    bool                   answered_with_leases;
};

/* --- waiting ------------------------------------------------------------------------------------------------------------------ */

static void
park(struct pull *pull, bool leaving)
{
    pull->step = PARK;
    aw_pull_park(&pull->base, leaving);
}

static void
answer_empty(struct pull *pull)
{
    aw_metric_add(pull->base.call.io->metrics, AW_METRIC_PULLS_EMPTY, 1);
    aw_call_answer_empty(&pull->base.call, 204);
}

static void
first_park(struct pull *pull)
{
    struct aw_call *call = &pull->base.call;
    aw_ns           wait = pull->want.wait_s * AW_NS_PER_S;

    if (pull->want.wait_s == 0 || call->io->draining) {
        answer_empty(pull);
        return;
    }
    if (!aw_request_try_park(call->request)) {
        aw_call_fail(call, AW_E_TOO_MANY, "half of this connection's streams wait already; open another connection");
        return;
    }
    if (!aw_pull_make_park(&pull->base)) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return;
    }
    wait -= wait * (call->io->now / 1024 % (JITTER_PERCENT + 1)) / 100;
    aw_call_wait(call, call->io->now + wait);
    park(pull, false);
}

/* Looks for leases that an earlier pull with this key was given. */
static void
ask(struct pull *pull)
{
    AW_IMPLIES(pull->base.park.kind == AW_SUBMIT_PARK,
               pull->base.park.park.woken_lane == AW_LANE_NONE); /* a wake must go on, not wait */
    pull->base.submission = (struct aw_submission){.kind = AW_SUBMIT_QUERY, .query = pull->base.query};
    pull->step = ASK;
    aw_call_submit(&pull->base.call, &pull->base.submission);
}

/* No memory. A wake that it was given goes on to somebody else. */
static void
give_up(struct pull *pull)
{
    if (aw_pull_has_wake(&pull->base))
        park(pull, true);
    else
        aw_call_fail(&pull->base.call, AW_E_MEMORY, "");
}

/* Its token has ended: nothing more is given to it. */
static void
end_wait(struct pull *pull)
{
    if (aw_pull_has_wake(&pull->base))
        park(pull, true);
    else
        answer_empty(pull);
}

/* False: there was nothing. */
static bool
take(struct pull *pull)
{
    if (!aw_pull_take(&pull->base))
        return false;
    pull->step = LEASE;
    return true;
}

static void take_or_park(struct pull *pull);

static void
on_parked(struct pull *pull)
{
    struct aw_call *call = &pull->base.call;

    aw_pull_parked(&pull->base);
    if (pull->base.park.err != AW_OK) {
        aw_call_fail(call, pull->base.park.err, "");
        return;
    }
    if (pull->base.park.park.end == AW_PARK_CANCELLED) {
        answer_empty(pull);
        return;
    }
    if (aw_access_is_over(call->request)) {
        end_wait(pull);
        return;
    }
    if (pull->base.park.park.end == AW_PARK_AGAIN) {
        take_or_park(pull);
        return;
    }
    if (!aw_pull_has_wake(&pull->base)) {
        ask(pull); /* not for a ticket: another pull with this key was given leases */
        return;
    }
    if (!aw_pull_renew(&pull->base))
        give_up(pull);
    else if (!take(pull)) {
        aw_metric_add(call->io->metrics, AW_METRIC_WOKEN_IN_VAIN, 1);
        park(pull, pull->time_is_up || call->io->draining);
    }
}

/* Takes what there is, or goes (back) to waiting. */
static void
take_or_park(struct pull *pull)
{
    if (aw_access_is_over(pull->base.call.request)) {
        end_wait(pull);
        return;
    }
    if (!aw_pull_renew(&pull->base)) {
        give_up(pull);
        return;
    }
    if (take(pull))
        return;
    if (aw_pull_has_park(&pull->base))
        park(pull, pull->time_is_up || pull->base.call.io->draining);
    else
        first_park(pull);
}

/* --- leases ------------------------------------------------------------------------------------------------------------------- */

static enum aw_err
write_leases(struct pull *pull, struct aw_buffer *buffer)
{
    struct aw_lease_answer *leases;
    struct aw_writer        writer;
    enum aw_err             err = aw_pull_make_views(&pull->base, &leases);

    if (err != AW_OK)
        return err;
    aw_writer_init(&writer, buffer, pull->media);
    if (!aw_proto_write_leases(&writer, leases, pull->base.granted))
        return AW_E_CORRUPT;
    return buffer->failed ? AW_E_MEMORY : AW_OK;
}

static bool
read_messages(struct pull *pull)
{
    pull->step = READ;
    return aw_pull_read_messages(&pull->base);
}

static void
give_back(struct pull *pull)
{
    pull->step = GIVE_BACK;
    aw_pull_give_back(&pull->base);
}

static void
answer_failure(struct pull *pull)
{
    enum aw_err err = pull->failure == AW_E_MEMORY ? AW_E_MEMORY : AW_E_INTERNAL;

    aw_call_fail(&pull->base.call, err, err == AW_E_INTERNAL ? "a stored message cannot be read" : "");
}

/* Without its messages an agent could do nothing with a lease: what was granted goes back first. */
static void
refuse_leases(struct pull *pull, enum aw_err err)
{
    pull->failure = err;
    if (!pull->base.is_repeat && pull->base.granted > 0)
        give_back(pull);
    else
        answer_failure(pull);
}

static void
answer_leases(struct pull *pull)
{
    struct aw_buffer buffer;
    enum aw_err      err;

    aw_buffer_init(&buffer, aw_call_arena(&pull->base.call));
    err = write_leases(pull, &buffer);
    if (err != AW_OK) {
        refuse_leases(pull, err);
        return;
    }
    pull->answered_with_leases = !pull->base.is_repeat;
    if (pull->answered_with_leases)
        aw_pull_tell_of_damage(&pull->base);
    aw_call_answer(&pull->base.call, 200, pull->media, &buffer, NULL, 0);
}

static void
refuse_pull(struct pull *pull, enum aw_err err)
{
    aw_call_fail(&pull->base.call, err,
                 err == AW_E_TABLE_FULL   ? "the table of leases or agents is at its limit"
                 : err == AW_E_KEY_REUSED ? "a lease runs that was given to a pull with this idempotency-key and another body"
                                          : "");
}

static void
on_leased(struct pull *pull)
{
    enum aw_err err = aw_pull_sort_granted(&pull->base);

    if (err == AW_E_AGAIN) {
        ask(pull);
        return;
    }
    if (err != AW_OK) {
        refuse_pull(pull, err);
        return;
    }
    if (pull->base.is_shut_out) {
        aw_call_fail(&pull->base.call, AW_E_OVERLOADED, "no ticket is given out for now: a thread of the server is stopped");
        return;
    }
    if (pull->base.granted == 0) { /* all choices were stale: the tickets went elsewhere */
        take_or_park(pull);
        return;
    }
    aw_metric_add(pull->base.call.io->metrics, AW_METRIC_LEASES_GRANTED, pull->base.granted);
    if (read_messages(pull))
        return;
    refuse_leases(pull, AW_E_MEMORY);
}

/* --- the call ----------------------------------------------------------------------------------------------------------------- */

static void
on_asked(struct pull *pull)
{
    if (pull->base.submission.err != AW_OK || pull->base.query->err != AW_OK) {
        refuse_pull(pull, pull->base.submission.err != AW_OK ? pull->base.submission.err : pull->base.query->err);
        return;
    }
    pull->base.granted = pull->base.query->count;
    pull->base.is_repeat = pull->base.granted > 0;
    if (pull->base.is_repeat) {
        if (!read_messages(pull))
            aw_call_fail(&pull->base.call, AW_E_MEMORY, "");
        return;
    }
    take_or_park(pull);
}

static void
on_back(struct aw_call *call)
{
    struct pull *pull = (struct pull *)call;
    bool         failed;

    switch (pull->step) {
    case ASK:
        on_asked(pull);
        return;
    case LEASE:
        on_leased(pull);
        return;
    case PARK:
        on_parked(pull);
        return;
    case READ:
        if (aw_api_read_again(call, pull->base.read, &failed))
            return;
        if (failed)
            refuse_leases(pull, AW_E_MEMORY);
        else
            answer_leases(pull);
        return;
    case GIVE_BACK:
        answer_failure(pull);
        return;
    }
    AW_UNREACHABLE();
}

/* The client left. What it has goes back; true while something is under way. */
static bool
on_gone(struct aw_call *call)
{
    struct pull *pull = (struct pull *)call;

    switch (pull->step) {
    case ASK:
    case GIVE_BACK:
        return false;
    case LEASE:
        if (aw_pull_sort_granted(&pull->base) != AW_OK || pull->base.granted == 0)
            return false;
        give_back(pull);
        return true;
    case PARK:
        if (!aw_pull_has_wake(&pull->base))
            return false;
        park(pull, true);
        return true;
    case READ:
        if (pull->base.is_repeat || pull->base.granted == 0)
            return false; /* a repeat: the first answer may have arrived */
        give_back(pull);
        return true;
    }
    AW_UNREACHABLE();
}

static void
on_leave(struct aw_call *call)
{
    aw_pull_cancel(&((struct pull *)call)->base);
}

static void
on_time(struct aw_call *call)
{
    struct pull *pull = (struct pull *)call;

    pull->time_is_up = true;
    aw_pull_cancel(&pull->base);
}

static void
on_sent(struct aw_call *call, bool delivered)
{
    struct pull       *pull = (struct pull *)call;
    struct aw_lease_id leases[AW_LEASES_PER_PULL_MAX];

    if (delivered || !pull->answered_with_leases)
        return;
    for (uint32_t i = 0; i < pull->base.granted; i++)
        leases[i] = pull->base.entries[i].command.out.u.lease.lease;
    aw_pull_give_back_later(&pull->base, leases, pull->base.granted);
}

static const struct aw_call_ops pull_ops = {
    .on_back = on_back, .on_gone = on_gone, .on_leave = on_leave, .on_sent = on_sent, .on_time = on_time};

/* With an Idempotency-Key the same pull gets the same leases, as long as they run. False: answered. */
static bool
make_key(struct pull *pull)
{
    struct aw_arena *arena = aw_call_arena(&pull->base.call);
    struct aw_query *query;
    struct aw_once   once;

    if (!aw_api_once(&pull->base.call, pull->base.agent, &once))
        return false;
    if (!aw_once_is_set(&once))
        return true;
    pull->base.key = (struct aw_pull_key){.key = once.key.low | 1, .request = (uint32_t)(once.request ^ once.request >> 32)};
    query = aw_arena_take(arena, sizeof(*query));
    if (query != NULL)
        *query = (struct aw_query){.kind = AW_QUERY_PULL,
                                   .name = pull->base.agent,
                                   .pull_key = pull->base.key,
                                   .room = AW_LEASES_PER_PULL_MAX,
                                   .views = aw_arena_take(arena, AW_LEASES_PER_PULL_MAX * sizeof(query->views[0]))};
    pull->base.query = query;
    if (query != NULL && query->views != NULL && aw_random(&pull->base.key.pull, sizeof(pull->base.key.pull)))
        return true;
    aw_call_fail(&pull->base.call, AW_E_MEMORY, "");
    return false;
}

void
aw_api_pull(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct pull            *pull = aw_call_new(io, request, &pull_ops, sizeof(*pull));
    struct aw_proto_problem problem;
    enum aw_media           media;

    (void)id;
    if (pull == NULL || !aw_api_agent(&pull->base.call, &pull->base.agent) || !aw_api_media(&pull->base.call, false, &media) ||
        !aw_call_negotiate(&pull->base.call, false, &pull->media))
        return;
    if (aw_proto_decode_pull(&request->arena, media, request->body, &pull->want, &problem) != AW_OK) {
        aw_api_refuse_body(&pull->base.call, &problem);
        return;
    }
    if (!aw_api_find_lanes(&pull->base.call, pull->want.lanes, pull->want.lane_count, &pull->base.lanes,
                           &pull->base.lane_count) ||
        !aw_pull_bound(&pull->base) || !make_key(pull))
        return;
    pull->base.entries = aw_arena_take_zeroed(&request->arena, pull->want.max, sizeof(pull->base.entries[0]));
    if (pull->base.entries == NULL) {
        aw_call_fail(&pull->base.call, AW_E_MEMORY, "");
        return;
    }
    pull->base.names_lanes = pull->want.lane_count > 0;
    pull->base.max = pull->want.max;
    pull->base.lease_ms = pull->want.lease_s * AW_MS_PER_S;
    aw_pull_init(&pull->base);
    aw_metric_add(io->metrics, AW_METRIC_PULLS, 1);
    if (pull->base.key.key != 0)
        ask(pull);
    else
        take_or_park(pull);
}
