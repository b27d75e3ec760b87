/* api_stream.c - GET /v1/stream: an agent's tickets as they come, and what becomes of those that it holds.
 *
 *   look -> read -> send      look: what the agent holds, against what the client was told (AW_QUERY_STREAM)
 *    ^  \-> see -> read -/    see:  follow-ups count as seen, as with an extend; then they are told
 *    |        |
 *    |     take -> lease -+   take, lease: as a pull (pull.h), while the agent holds fewer than `units`
 *    |        |           |
 *    +--------|-----------+   each lease is told by the next look
 *    +------ park             parked as a pull, and sent back also when the agent's leases have changed
 *
 * So there is one thing under way at a time, and nothing is kept of what happened: the difference between what was told and what
 * is says it all, however long the client did not read. A new stream of the agent begins with all that it holds; the old one ends.
 *
 * A lease that this stream was granted and whose event did not leave goes back, as with a pull. Any other stays until it ends.
 */
#include "proto/proto.h"
#include "run/api.h"
#include "run/stream.h"

static struct aw_stream *
stream_of(struct aw_call *call)
{
    return (struct aw_stream *)call;
}

/* --- what is owed to the lanes ------------------------------------------------------------------------------------------------ */

static void
note_granted(struct aw_stream *stream)
{
    struct aw_pull *pull = &stream->pull;

    aw_stream_forget_told(stream);
    for (uint32_t i = 0; i < pull->granted; i++) {
        AW_ASSERT(stream->own_count < stream->want.units); /* it asked for no more */
        stream->own[stream->own_count++] = (struct aw_stream_own){.lease = pull->entries[i].command.out.u.lease.lease};
    }
    aw_metric_add(aw_stream_io(stream)->metrics, AW_METRIC_LEASES_GRANTED, pull->granted);
}

/* `all`: also those whose event is on its way; else those that will not be told any more. */
static void
give_back(struct aw_stream *stream, bool all)
{
    struct aw_lease_id leases[AW_STREAM_UNITS_MAX];
    uint32_t           count = 0;
    uint32_t           kept = 0;

    aw_stream_forget_told(stream);
    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (all || stream->own[i].end == 0)
            leases[count++] = stream->own[i].lease;
        else
            stream->own[kept++] = stream->own[i];
    }
    stream->own_count = kept;
    if (count > 0)
        aw_pull_give_back_later(&stream->pull, leases, count);
}

/* Whatever comes after this is about its memory only. */
static void
close_stream(struct aw_stream *stream)
{
    struct aw_io *io = aw_stream_io(stream);

    give_back(stream, true);
    aw_arena_reset(&stream->work);
    if (!stream->is_open)
        return;
    stream->is_open = false;
    io->agent_streams--;
    io->agent_streams_awake--;
    aw_metric_set(io->metrics, AW_METRIC_AGENT_STREAMS, io->agent_streams);
}

/* When it has to do something by itself. */
static void
set_alarm(struct aw_stream *stream)
{
    struct aw_io *io = aw_stream_io(stream);
    aw_ns         at = stream->feed.comment_at;

    if (io->draining || stream->pull.call.answered)
        return; /* nothing is awaited any more */
    if (!stream->has_begun || at < io->now)
        at = io->now + AW_NS_PER_S; /* it has its reader to wait for, or its first look */
    if (stream->rest_until > io->now && stream->rest_until < at)
        at = stream->rest_until;
    for (uint32_t i = 0; stream->want.ending_s > 0 && !aw_feed_is_waiting(&stream->feed) && i < stream->known_count; i++) {
        const struct aw_stream_known *known = &stream->known[i];
        aw_ms                         due = aw_stream_ending_at(stream, known);

        if (known->ending_for == known->expires_at || known->expires_at <= io->wall)
            continue;
        if (due <= io->wall)
            at = io->now;
        else if (io->now + (due - io->wall) * AW_NS_PER_MS < at)
            at = io->now + (due - io->wall) * AW_NS_PER_MS;
    }
    aw_call_wait(&stream->pull.call, at);
}

/* --- taking and waiting ------------------------------------------------------------------------------------------------------- */

/* How many tickets it may take now. */
static uint32_t
free_units(struct aw_stream *stream)
{
    uint32_t held = stream->found.held;
    uint32_t free = held < stream->want.units ? stream->want.units - held : 0;
    uint32_t told = 0;

    /* Whatever it was granted was found by a look since, or had ended before that. Of what was told, some may have ended before its
     * event left: it keeps its place until then. */
    for (uint32_t i = 0; i < stream->own_count; i++) {
        if (stream->own[i].end != 0)
            stream->own[told++] = stream->own[i];
    }
    stream->own_count = told;
    aw_stream_forget_told(stream);
    if (free > stream->want.units - stream->own_count)
        free = stream->want.units - stream->own_count;
    return free < AW_STREAM_TURN_MAX ? free : AW_STREAM_TURN_MAX;
}

static bool
is_resting(const struct aw_stream *stream)
{
    return stream->rest_until > aw_stream_io(stream)->now;
}

/* True: something is under way. */
static bool
take(struct aw_stream *stream)
{
    struct aw_pull *pull = &stream->pull;

    if (!aw_pull_renew(pull)) { /* also when it only waits: the committer sends back who goes by old settings */
        aw_stream_rest(stream);
        return false;
    }
    if (!stream->may_take || stream->found.held >= stream->want.units)
        return false;
    pull->max = free_units(stream);
    pull->entries = aw_arena_take_zeroed(&stream->work, pull->max, sizeof(pull->entries[0]));
    if (pull->max == 0 || pull->entries == NULL) {
        aw_stream_rest(stream);
        return false;
    }
    pull->is_repeat = false;
    if (!aw_pull_take(pull)) {
        stream->may_take = false;
        return false;
    }
    stream->step = AW_STREAM_LEASE;
    return true;
}

static void
park(struct aw_stream *stream, bool leaving)
{
    stream->step = AW_STREAM_PARK;
    aw_stream_io(stream)->agent_streams_awake--;
    aw_pull_park(&stream->pull, leaving);
}

static void
on_leased(struct aw_stream *stream)
{
    struct aw_pull *pull = &stream->pull;
    enum aw_err     err = aw_pull_sort_granted(pull);

    if (pull->submission.err != AW_OK) {
        aw_stream_end_in_failure(stream, pull->submission.err);
        return;
    }
    if (err == AW_OK && pull->granted > 0)
        note_granted(stream);
    if (err != AW_OK || pull->is_shut_out) /* there is no room for it just now: asking at once would be asking in vain */
        aw_stream_rest(stream);
    stream->must_look = true;
    aw_stream_go_on(stream);
}

static void
on_parked(struct aw_stream *stream)
{
    struct aw_pull *pull = &stream->pull;
    bool            is_for_ticket = aw_pull_has_wake(pull);

    aw_pull_parked(pull);
    if (pull->park.err != AW_OK) {
        aw_stream_end_in_failure(stream, pull->park.err);
        return;
    }
    switch (pull->park.park.end) {
    case AW_PARK_CANCELLED: /* the server drains, or it left */
        break;
    case AW_PARK_REPLACED:
        stream->end = stream->end == AW_STREAM_GOES_ON ? AW_STREAM_REPLACED : stream->end;
        break;
    case AW_PARK_NEWS:
    case AW_PARK_AGAIN:
        stream->must_look = true;
        break;
    case AW_PARK_WOKEN:
        stream->may_take = true;
        break;
    }
    /* Whoever was woken for a ticket and does not ask for it says so, or nobody else would be. */
    if (!is_for_ticket) {
        aw_stream_go_on(stream);
        return;
    }
    if (stream->end == AW_STREAM_GOES_ON && !aw_feed_is_waiting(&stream->feed)) {
        aw_arena_reset(&stream->work);
        if (take(stream))
            return;
        aw_metric_add(aw_stream_io(stream)->metrics, AW_METRIC_WOKEN_IN_VAIN, 1);
    }
    park(stream, stream->end != AW_STREAM_GOES_ON || aw_feed_is_waiting(&stream->feed) || is_resting(stream));
}

/* --- the end ------------------------------------------------------------------------------------------------------------------ */

static void
write_end(struct aw_stream *stream)
{
    static const char *const names[] = {
        [AW_STREAM_DRAINING] = "draining", [AW_STREAM_REPLACED] = "replaced", [AW_STREAM_FAILED] = "problem"};
    struct aw_writer writer;

    aw_arena_reset(&stream->work);
    aw_buffer_init(&stream->out, &stream->work);
    aw_stream_begin_event(stream, &writer, aw_slice_str(names[stream->end]));
    if (stream->end == AW_STREAM_FAILED) {
        aw_proto_write_problem(&writer,
                               &(struct aw_problem){.err = stream->failure, .retry_after_s = aw_retry_after_s(stream->failure)});
    } else {
        aw_writer_begin_map(&writer);
        aw_writer_end_map(&writer);
    }
    aw_stream_end_event(stream, &writer);
    stream->has_ended = true;
    aw_stream_send(stream);
}

static void
finish(struct aw_stream *stream)
{
    struct aw_call *call = &stream->pull.call;

    stream->step = AW_STREAM_NOTHING;
    give_back(stream, false);
    if (!stream->has_begun) {
        aw_call_fail(call,
                     stream->end == AW_STREAM_FAILED     ? stream->failure
                     : stream->end == AW_STREAM_DRAINING ? AW_E_DRAINING
                                                         : AW_E_OVERLOADED,
                     "");
        return;
    }
    if (!stream->has_ended)
        write_end(stream);
    if (!aw_feed_is_waiting(&stream->feed))
        aw_feed_end(&stream->feed);
}

/* Nothing is out. The next thing to do; until the client has read what waits, none. */
void
aw_stream_go_on(struct aw_stream *stream)
{
    AW_ASSERT(stream->pull.call.out == 0);
    stream->step = AW_STREAM_NOTHING;
    if (stream->has_begun && aw_feed_is_waiting(&stream->feed)) {
        set_alarm(stream);
        return;
    }
    if (stream->end != AW_STREAM_GOES_ON) {
        finish(stream);
        return;
    }
    aw_arena_reset(&stream->work);
    if (stream->must_look && !is_resting(stream)) {
        set_alarm(stream);
        aw_stream_ask(stream);
        return;
    }
    aw_stream_tell_endings(stream);
    if (!aw_feed_is_waiting(&stream->feed) && !is_resting(stream)) {
        aw_arena_reset(&stream->work);
        if (!take(stream) && !is_resting(stream))
            park(stream, false);
    }
    set_alarm(stream);
}

/* --- the call ----------------------------------------------------------------------------------------------------------------- */

static void
on_read(struct aw_stream *stream)
{
    bool failed;

    if (aw_api_read_again(&stream->pull.call, stream->pull.read, &failed))
        return;
    if (failed)
        aw_stream_end_in_failure(stream, AW_E_MEMORY);
    else if (stream->step == AW_STREAM_READ_LEASES)
        aw_stream_tell_leases(stream);
    else
        aw_stream_tell_messages(stream);
}

static void
on_back(struct aw_call *call)
{
    struct aw_stream *stream = stream_of(call);

    switch (stream->step) {
    case AW_STREAM_LOOK:
        aw_stream_looked(stream);
        return;
    case AW_STREAM_READ_LEASES:
    case AW_STREAM_READ_MESSAGES:
        on_read(stream);
        return;
    case AW_STREAM_SEE:
        aw_stream_seen(stream);
        return;
    case AW_STREAM_LEASE:
        on_leased(stream);
        return;
    case AW_STREAM_PARK:
        aw_stream_io(stream)->agent_streams_awake++;
        on_parked(stream);
        return;
    case AW_STREAM_NOTHING:
        break;
    }
    AW_UNREACHABLE();
}

/* The client left. What it has goes back; true while something is under way. */
static bool
on_gone(struct aw_call *call)
{
    struct aw_stream *stream = stream_of(call);

    if (stream->step == AW_STREAM_PARK) {
        aw_stream_io(stream)->agent_streams_awake++;
        if (aw_pull_has_wake(&stream->pull)) {
            park(stream, true);
            return true;
        }
    } else if (stream->step == AW_STREAM_LEASE && aw_pull_sort_granted(&stream->pull) == AW_OK) {
        note_granted(stream);
    }
    close_stream(stream);
    return false;
}

static void
on_leave(struct aw_call *call)
{
    aw_pull_cancel(&stream_of(call)->pull);
}

static void
on_sent(struct aw_call *call, bool delivered)
{
    (void)delivered; /* what did not leave is known to the feed */
    close_stream(stream_of(call));
}

static void
on_room(struct aw_call *call)
{
    struct aw_stream *stream = stream_of(call);

    aw_stream_forget_told(stream);
    if (!aw_feed_is_waiting(&stream->feed) || !aw_feed_go_on(&stream->feed))
        return;
    if (stream->step == AW_STREAM_NOTHING)
        aw_stream_go_on(stream);
}

static void
on_time(struct aw_call *call)
{
    struct aw_stream *stream = stream_of(call);

    if (aw_stream_io(stream)->draining && stream->end == AW_STREAM_GOES_ON)
        stream->end = AW_STREAM_DRAINING;
    if (aw_access_is_over(call->request) && stream->end == AW_STREAM_GOES_ON) {
        stream->end = AW_STREAM_FAILED;
        stream->failure = AW_E_UNAUTHORIZED;
    }
    if (stream->end != AW_STREAM_GOES_ON)
        aw_pull_cancel(&stream->pull);
    if (stream->has_begun && !aw_feed_is_waiting(&stream->feed))
        aw_feed_comment(&stream->feed);
    if (stream->has_begun && aw_feed_is_waiting(&stream->feed) && aw_request_unsent(call->request) == 0)
        (void)aw_feed_go_on(&stream->feed); /* there was no memory for it */
    if (stream->step == AW_STREAM_PARK && stream->end == AW_STREAM_GOES_ON)
        aw_stream_tell_endings(stream);
    if (stream->step == AW_STREAM_NOTHING)
        aw_stream_go_on(stream);
    else
        set_alarm(stream);
}

static const struct aw_call_ops stream_ops = {
    .on_back = on_back, .on_gone = on_gone, .on_leave = on_leave, .on_sent = on_sent, .on_time = on_time, .on_room = on_room};

/* What it needs as long as it lasts. False: answered. */
static bool
prepare(struct aw_stream *stream)
{
    struct aw_call *call = &stream->pull.call;
    struct aw_pull *pull = &stream->pull;

    if (!aw_request_try_park(call->request)) {
        aw_call_fail(call, AW_E_TOO_MANY, "half of this connection's streams wait already; open another connection");
        return false;
    }
    pull->names_lanes = pull->lane_count > 0;
    pull->lease_ms = stream->want.lease_s * AW_MS_PER_S;
    aw_pull_init(pull);
    pull->query = &stream->query;
    pull->park.park.units = stream->want.units;
    stream->own = aw_arena_take(&call->request->arena, stream->want.units * sizeof(stream->own[0]));
    if (stream->own == NULL || !aw_pull_make_park(pull)) {
        aw_call_fail(call, AW_E_MEMORY, "");
        return false;
    }
    return true;
}

void
aw_api_stream(struct aw_io *io, struct aw_request *request, struct aw_slice id)
{
    struct aw_stream *stream = aw_call_new(io, request, &stream_ops, sizeof(*stream));
    struct aw_pull   *pull = &stream->pull;

    (void)id;
    if (stream == NULL || !aw_api_agent(&pull->call, &pull->agent) ||
        !aw_stream_request_read(&pull->call, &stream->want, &pull->lanes, &pull->lane_count) || !aw_pull_bound(pull))
        return;
    aw_arena_init(&stream->work, io->blocks);
    if (request->method == AW_HEAD) {
        if (aw_feed_begin(&stream->feed, &pull->call, stream->want.media))
            AW_UNREACHABLE(); /* the head is all */
        return;
    }
    if (!prepare(stream))
        return;
    pull->call.work = &stream->work;
    stream->is_open = true;
    stream->must_look = true;
    io->agent_streams++;
    io->agent_streams_awake++;
    aw_metric_set(io->metrics, AW_METRIC_AGENT_STREAMS, io->agent_streams);
    aw_metric_add(io->metrics, AW_METRIC_AGENT_STREAMS_JOINED, 1);
    aw_stream_go_on(stream);
}
